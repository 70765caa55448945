/**
 * The OpenAPI 3.1 document of `/v1/heddle/…`, made of the operations themselves: their schemas refuse requests and
 * are printed here. What a schema transforms is shown as it is sent.
 */
import * as z from "zod";
import { json } from "../route.ts";
import { type Answer, type Operation, operation } from "./operation.ts";
import { errorShape, models } from "./shapes.ts";

type Json = Readonly<Record<string, unknown>>;

/** The operation that answers the document of all, itself included. */
export function documentOperation(operations: readonly Operation[], version: string): Operation {
  const self: Operation = operation({
    id: "openapi",
    needs: "open",
    method: "GET",
    path: "/v1/heddle/openapi.json",
    summary: "This document.",
    answers: { 200: { description: "OpenAPI 3.1.", schema: z.looseObject({ openapi: z.string() }) } },
    handle: (call) => {
      document ??= openapiDocument([...operations, self], version);
      return json(call, document);
    },
  });
  let document: Json | undefined;
  return self;
}

export function openapiDocument(operations: readonly Operation[], version: string): Json {
  const schemas: Record<string, Json> = {};
  const paths: Record<string, Record<string, Json>> = {};
  for (const one of operations) {
    paths[one.path] ??= {};
    const methods = paths[one.path];
    if (methods) methods[one.method.toLowerCase()] = describe(one, schemas);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Heddle",
      version,
      description: "Heddle's own API. Consul's API on the same port is described in docs/compatibility.md.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    paths,
    components: { schemas: Object.fromEntries(Object.entries(schemas).sort()) },
  };
}

function describe(one: Operation, schemas: Record<string, Json>): Json {
  const { id, summary, path, argument, query, body, answers } = one;
  const [, name] = /\{(\w+)\}$/.exec(path) ?? [];
  const parameters = [
    ...(name === undefined
      ? []
      : [
          {
            name,
            in: "path",
            required: true,
            description: `${argument?.description} Slashes in it may stand as they are.`,
            schema: { type: "string", ...(argument?.mayBeEmpty ? {} : { minLength: 1 }) },
          },
        ]),
    ...Object.entries(query.shape).map(([parameter, field]) => {
      const { description, ...schema } = schemaOf(field, "input", schemas);
      const required = !(field instanceof z.ZodOptional || field instanceof z.ZodExactOptional);
      return {
        name: parameter,
        in: "query",
        required,
        ...(description !== undefined && { description }),
        schema,
      };
    }),
  ];
  const failure = { description: "What went wrong.", schema: errorShape };
  return {
    operationId: id,
    summary,
    ...(parameters.length > 0 && { parameters }),
    ...(body !== undefined && { requestBody: { required: true, content: bodyOf(body, schemas) } }),
    responses: {
      ...Object.fromEntries(
        Object.entries(answers).map(([status, answer]) => [status, answerOf(answer, schemas)]),
      ),
      default: answerOf(failure, schemas),
    },
  };
}

function bodyOf(body: NonNullable<Operation["body"]>, schemas: Record<string, Json>): Json {
  if (body === "bytes") return { "application/octet-stream": {} };
  return { "application/json": { schema: schemaOf(body, "input", schemas) } };
}

function answerOf({ description, schema, mediaType, events }: Answer, schemas: Record<string, Json>): Json {
  if (schema)
    return { description, content: { "application/json": { schema: schemaOf(schema, "output", schemas) } } };
  if (mediaType === undefined) return { description };
  // OpenAPI has words for the items of a stream from 3.2 on.
  const item = events && { "x-event-data": schemaOf(events, "output", schemas) };
  return { description, content: { [mediaType]: { schema: { type: "string" }, ...item } } };
}

/** Named schemas go to the components of the document. */
function schemaOf(schema: z.core.$ZodType, io: "input" | "output", schemas: Record<string, Json>): Json {
  const { $schema: _, $defs = {}, ...rest } = z.toJSONSchema(schema, { io, metadata: models });
  for (const [id, { id: __, ...definition }] of Object.entries($defs))
    schemas[id] = pointed(definition as Json);
  const { id, ...own } = rest as Json;
  if (typeof id !== "string") return pointed(own);
  schemas[id] = pointed(own);
  return { $ref: `#/components/schemas/${id}` };
}

function pointed(schema: Json): Json {
  return JSON.parse(JSON.stringify(schema).replaceAll('"#/$defs/', '"#/components/schemas/')) as Json;
}
