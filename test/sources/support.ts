import { parseNetworks } from '../../src/networks.ts'
import type { Resolve } from '../../src/sources/address-guard.ts'
import { GithubApps } from '../../src/sources/hosts/github-apps.ts'
import { type OpenParts, openSource } from '../../src/sources/open.ts'
import type { Source, SourceAddress, SourceCredentials } from '../../src/sources/source.ts'
import { createUpstreamHttp, type UpstreamHttp } from '../../src/sources/upstream-http.ts'

/** Egress that may reach the networks given; names resolve as told. */
export function egress(allowed: string, resolve?: Resolve, patience?: number): UpstreamHttp {
  return createUpstreamHttp({
    allowedNetworks: parseNetworks(allowed),
    ...(resolve ? { resolve } : {}),
    ...(patience === undefined ? {} : { patience }),
  })
}

/** Installation tokens by the clock of the machine. */
export function githubApps(http: UpstreamHttp): GithubApps {
  return new GithubApps(http, () => Math.floor(Date.now() / 1000))
}

/** A source as a repository of this address, kind and credential opens it. */
export async function source(
  url: string,
  options: { vcsType?: string; credentials?: SourceCredentials; roots?: string[]; http?: UpstreamHttp } = {},
): Promise<Source> {
  const address: SourceAddress = {
    url,
    vcsType: options.vcsType ?? 'git',
    credentials: options.credentials ?? { type: 'none' },
    hostKey: null,
    onHostKey: async () => {},
  }
  const http = options.http ?? egress('127.0.0.0/8')
  const parts: OpenParts = { http, githubApps: githubApps(http), localRoots: options.roots ?? [] }
  return openSource(address, parts)
}

/** A signal that ends a test which hangs. */
export function soon(): AbortSignal {
  return AbortSignal.timeout(10_000)
}
