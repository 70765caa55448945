/** Ready answers for names that are asked often, and the thread that serves them. */
export { AnswerTable, type TableBounds } from "./answer-table.ts";
export { ReadyAnswers } from "./ready-answers.ts";
export { type WorkerFacts, WorkerUdpListener } from "./worker-listener.ts";
