import { gitFailure } from './failure.ts'
import { type PktReader, pktText } from './pkt-line.ts'

/** What a server can do, from its protocol version 2 advertisement (`git: protocol-v2`, capability advertisement). */
export interface GitCapabilities {
  /** Whether partial-clone filters may be sent; a server that does not say so breaks when it gets one. */
  readonly filter: boolean
  /** Whether `object-format=sha1` should be part of requests. */
  readonly objectFormat: boolean
  /** The server's name of itself, such as `git/2.39.5` or `git/github-…`; empty when not given. */
  readonly agent: string
}

const MOST_LINES = 1000

/**
 * Reads an advertisement to its flush packet. Fails with `unsupported` for protocol 0 and 1, for SHA-256 repositories
 * and for servers that cannot give single commits.
 */
export async function readCapabilities(reader: PktReader): Promise<GitCapabilities> {
  let line = await firstLine(reader)
  if (line.startsWith('# service=')) {
    await reader.next()
    line = await firstLine(reader)
  }
  if (line !== 'version 2') {
    throw gitFailure(
      'unsupported',
      'The git server answers with an old protocol; protocol version 2 (git 2.18 or later on the server) is needed.',
    )
  }
  const values = new Map<string, string>()
  for (let count = 0; ; count++) {
    const packet = await reader.next()
    if (packet === 'flush') break
    if (typeof packet === 'string' || count >= MOST_LINES) {
      throw gitFailure('protocol', "The git server's list of capabilities is broken.")
    }
    const text = pktText(packet)
    const equals = text.indexOf('=')
    if (equals < 0) values.set(text, '')
    else values.set(text.slice(0, equals), text.slice(equals + 1))
  }
  return checked(values)
}

/** Also an empty repository of protocol 0 has a first line, or a flush packet in place of it. */
async function firstLine(reader: PktReader): Promise<string> {
  const packet = await reader.next()
  return typeof packet === 'string' ? '' : pktText(packet)
}

function checked(values: ReadonlyMap<string, string>): GitCapabilities {
  const format = values.get('object-format')
  if (format !== undefined && format !== 'sha1') {
    throw gitFailure(
      'unsupported',
      `The repository names its objects with ${format === 'sha256' ? 'SHA-256' : 'another hash'}; only SHA-1 repositories can be read.`,
    )
  }
  const fetch = values.get('fetch')
  if (fetch === undefined || !values.has('ls-refs')) {
    throw gitFailure('unsupported', 'The git server offers no way to list refs or to fetch.')
  }
  const features = fetch.split(' ')
  if (!features.includes('shallow')) {
    throw gitFailure('unsupported', 'The git server cannot send single commits without their history.')
  }
  return {
    filter: features.includes('filter'),
    objectFormat: format !== undefined,
    agent: (values.get('agent') ?? '').slice(0, 200),
  }
}
