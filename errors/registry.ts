/** Every code of every module, in one closed union. A module's codes stand in `codes/`, one file a module. */
import { addrCodes } from "./codes/addr.ts";
import { apiCodes } from "./codes/api.ts";
import { cliCodes } from "./codes/cli.ts";
import { cniCodes } from "./codes/cni.ts";
import { controlCodes } from "./codes/control.ts";
import { daemonCodes } from "./codes/daemon.ts";
import { dnsCodes } from "./codes/dns.ts";
import { dockerCodes } from "./codes/docker.ts";
import { endpointCodes } from "./codes/endpoint.ts";
import { filesCodes } from "./codes/files.ts";
import { healthCodes } from "./codes/health.ts";
import { ipamCodes } from "./codes/ipam.ts";
import { kernelCodes } from "./codes/kernel.ts";
import { overlayCodes } from "./codes/overlay.ts";
import { registrarCodes } from "./codes/registrar.ts";
import { registryCodes } from "./codes/registry.ts";
import { storeCodes } from "./codes/store.ts";

/** Code → one sentence that says what happened in general. */
export const errorCodes = {
  ...addrCodes,
  ...apiCodes,
  ...cliCodes,
  ...cniCodes,
  ...controlCodes,
  ...daemonCodes,
  ...dnsCodes,
  ...dockerCodes,
  ...endpointCodes,
  ...filesCodes,
  ...healthCodes,
  ...ipamCodes,
  ...kernelCodes,
  ...overlayCodes,
  ...registrarCodes,
  ...registryCodes,
  ...storeCodes,
} as const;

export type ErrorCode = keyof typeof errorCodes;
