/** Codes of `api`. */
export const apiCodes = {
  API_BAD_REQUEST: "A request cannot be understood.",
  API_UNSUPPORTED: "A request asks for something of Consul's that Heddle does not have.",
  API_NOT_IMPLEMENTED: "A route of Consul's that Heddle does not serve.",
  API_LIMIT: "The server has as many streams open as it takes.",
  API_SNAPSHOT_DAMAGED: "An archive is damaged, or no snapshot.",
  API_SNAPSHOT_NEWER: "The snapshot was made by a newer release.",
  API_CLOSING: "The listener is stopping and gives up requests that wait.",
  API_SOCKET_ONLY: "A request that only the socket of a server's own host answers came another way.",
  API_NO_AGENT: "A request to the node's agent reached a process that runs none.",
  API_NO_DATACENTER: "A request names a datacenter that cannot be reached from here.",
  API_NO_SERVER: "A request needs a server, and none can be reached.",
  API_HOST_REFUSED: "A browser called the API for a web page of others, or by a foreign name.",
  API_LISTEN: "The HTTP listener cannot be opened.",
  API_UNREACHABLE: "The client cannot reach the API.",
  API_TIMEOUT: "The API did not answer in time.",
  API_RESPONSE: "The API answered with something that the client cannot use.",
} as const;
