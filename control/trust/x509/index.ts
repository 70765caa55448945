/** Certificates and requests for them, as the fabric's authority writes and reads them (decision 020). */
export {
  type AlternativeName,
  commonName,
  extensions,
  keyIdOf,
  keyUses,
  purposes,
  type Signer,
  signCertificate,
  signerOf,
  spkiOf,
} from "./certificate.ts";
export { createSigningRequest, readSigningRequest } from "./request.ts";
