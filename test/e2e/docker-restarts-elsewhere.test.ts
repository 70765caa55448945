/** Engine and agent of another host end at each step of a container's life on this one. */
import { DockerFabric } from "../lab/docker-fabric.ts";
import { restartMatrix } from "../lab/restart-matrix.ts";

const lab = new DockerFabric(2);
const h2 = lab.host(1);

restartMatrix(lab, {
  "killed engine of another host": {
    kill: () => lab.engine(h2).killHard(),
    start: () => lab.engine(h2).start(),
  },
  "killed agent of another host": {
    kill: () => lab.fabric.agent(h2).killHard(),
    start: async () => void (await lab.startAgent(h2)),
  },
});
