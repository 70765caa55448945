/** What the routes of Mesos-DNS's HTTP interface need. The daemon plugs in the directory of `dns`. */
export interface MesosBackend {
  readonly domain: string;
  hosts(name: string): Promise<readonly object[]>;
  services(name: string): Promise<readonly object[]>;
  /** @throws DNS_TOO_MANY_TASKS */
  enumerate(): Promise<object>;
}
