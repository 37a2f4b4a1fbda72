/** What a `dist` is, by Composer's `type` (Composer: Factory::createDownloadManager). */
export type ArchiveForm = 'zip' | 'tar' | 'other'

/** Bytes at the beginning that `beginningProblem` needs to see, when there are as many. */
export const BEGINNING = 512
/** Bytes at the end that `endProblem` needs to see, when there are as many: a zip's last record and its comment. */
export const END = 22 + 0xffff

const LAST_RECORD = Buffer.from('PK\x05\x06', 'latin1')
const ZIP = [Buffer.from('PK\x03\x04', 'latin1'), LAST_RECORD]
/** gzip, bzip2, xz, and zip, which PHP's `PharData` opens by the same name. */
const PACKED = ['1f8b', '425a68', 'fd377a585a00'].map((hex) => Buffer.from(hex, 'hex')).concat(ZIP)

/** The form that Composer expects for a `type`. */
export function archiveForm(type: string): ArchiveForm {
  return type === 'zip' || type === 'tar' ? type : 'other'
}

/** Why bytes that begin like this cannot be such an archive, as a phrase; null when they may be. */
export function beginningProblem(form: ArchiveForm, beginning: Uint8Array): string | null {
  const bytes = Buffer.from(beginning.buffer, beginning.byteOffset, beginning.byteLength)
  if (bytes.length === 0) return 'is empty'
  const starts = (signature: Buffer) => bytes.subarray(0, signature.length).equals(signature)
  if (form === 'zip' && ZIP.some(starts)) return null
  if (form === 'tar' && (PACKED.some(starts) || isTarHeader(bytes))) return null
  const text = bytes.toString('latin1').trimStart().toLowerCase()
  if (/^(?:<!doctype html|<html|<head|<\?xml)/.test(text)) return 'is a web page'
  if (form === 'other') return null
  return /^[{[]/.test(text) ? 'is JSON' : `is no ${form} archive`
}

/** Why bytes that end like this are not all of such an archive, as a phrase; null when they may be. */
export function endProblem(form: ArchiveForm, end: Uint8Array): string | null {
  if (form !== 'zip') return null
  const bytes = Buffer.from(end.buffer, end.byteOffset, end.byteLength)
  return bytes.includes(LAST_RECORD) ? null : 'ends before the zip does'
}

/** The sum of a tar header stands in it, and counts as blanks itself; formats before `ustar` have no other mark. */
function isTarHeader(bytes: Buffer): boolean {
  if (bytes.length < BEGINNING) return false
  const written = /^[ 0]*([0-7]+)/.exec(bytes.toString('latin1', 148, 156))?.[1]
  let sum = 0
  for (let at = 0; at < BEGINNING; at++) sum += at >= 148 && at < 156 ? 32 : (bytes[at] ?? 0)
  return written !== undefined && Number.parseInt(written, 8) === sum
}
