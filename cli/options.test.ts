import { describe, expect, it } from "vitest";
import { dialects, serverAddress, share } from "./options.ts";

describe("serverAddress()", () => {
  it.each([
    ["192.0.2.10:8502", "192.0.2.10:8502"],
    ["192.0.2.10", "192.0.2.10:8502"],
    ["servers.example.org:9000", "servers.example.org:9000"],
    ["[fd00::1]:8502", "[fd00::1]:8502"],
    ["[fd00::1]", "[fd00::1]:8502"],
    ["unix:/run/heddle/control.sock", "unix:/run/heddle/control.sock"],
  ])("reads %s", (text, address) => {
    expect(serverAddress(text)).toBe(address);
  });

  it.each(["", "a b", "host:0", "host:70000", "host:port", "http://host:8502", "unix:relative", "-x"])(
    "refuses %j",
    (text) => {
      expect(() => serverAddress(text)).toThrow(expect.objectContaining({ code: "CLI_USAGE" }));
    },
  );
});

describe("dialects()", () => {
  it("reads names with their usual domain or another", () => {
    expect(dialects([])).toEqual({});
    expect(dialects(["skydns"])).toEqual({ skydns: "skydns.local" });
    expect(dialects(["skydns=example.org", "mesos"])).toEqual({ skydns: "example.org", mesos: "mesos" });
  });

  it.each([["bind"], ["skydns="], ["skydns", "skydns"], [""], ["toString"]])("refuses %s %s", (...texts) => {
    expect(() => dialects(texts)).toThrow(expect.objectContaining({ code: "CLI_USAGE" }));
  });
});

describe("share()", () => {
  it("reads a number from 0 to 1 and refuses everything else", () => {
    expect(["0", "1", "0.25", ".5"].map((text) => share("--x", text))).toEqual([0, 1, 0.25, 0.5]);
    for (const text of ["", "-0.1", "1.1", "a", "0x1", "1e-1", "."])
      expect(() => share("--x", text)).toThrow(expect.objectContaining({ code: "CLI_USAGE" }));
  });
});
