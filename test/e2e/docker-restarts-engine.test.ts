/** The engine of a host ends at each step of a container's life: told to, with time for its containers, and without a word. */
import { DockerFabric } from "../lab/docker-fabric.ts";
import { restartMatrix } from "../lab/restart-matrix.ts";

const lab = new DockerFabric(2, ["--shutdown-timeout=1"]);
const h1 = lab.host(0);

restartMatrix(lab, {
  "stopped engine": {
    kill: () => lab.engine(h1).stop(),
    start: () => lab.engine(h1).start(),
  },
  "killed engine": {
    kill: () => lab.engine(h1).killHard(),
    start: () => lab.engine(h1).start(),
  },
});
