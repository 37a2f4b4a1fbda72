import { createHash } from 'node:crypto'
import type { UpstreamHttp } from '../upstream-http.ts'
import { type GithubApp, InstallationTokens } from './github-app.ts'

/** Most installations whose tokens are kept; that of the one not used for longest is let go. */
const MOST = 500

/** An installation of a GitHub App, ready to be used. */
export interface OpenGithubApp {
  /** A token that is good for five more minutes at least. Throws as `InstallationTokens.get`. */
  token(signal: AbortSignal): Promise<string>
  /** For requests with that token: one that is refused is forgotten, and the next request has a new one. */
  readonly http: UpstreamHttp
}

/**
 * The installation tokens of every GitHub App in use. git and the API, one sync and the next share them, because GitHub
 * limits how many may be made.
 */
export class GithubApps {
  private readonly known = new Map<string, InstallationTokens>()

  /** `now` gives Unix seconds. */
  constructor(
    private readonly http: UpstreamHttp,
    private readonly now: () => number,
  ) {}

  /** `base` is the address of the API; requests with the token go out by `http`. Nothing is asked yet. */
  open(app: GithubApp, base: string, http = this.http): OpenGithubApp {
    const key = keyOf(app, base)
    return {
      token: (signal) => this.tokens(key, app, base).get(signal),
      http: {
        addressOf: (host) => http.addressOf(host),
        send: async (request, credentials) => {
          const response = await http.send(request, credentials)
          if (response.status === 401) this.known.delete(key)
          return response
        },
      },
    }
  }

  private tokens(key: string, app: GithubApp, base: string): InstallationTokens {
    const tokens = this.known.get(key) ?? new InstallationTokens(app, this.http, base, this.now)
    this.known.delete(key)
    this.known.set(key, tokens)
    const [oldest] = this.known.keys()
    if (this.known.size > MOST && oldest !== undefined) this.known.delete(oldest)
    return tokens
  }
}

/** The key of the app is part of it: who has another one gets no token that was made with the right one. */
function keyOf({ appId, installationId, privateKey }: GithubApp, base: string): string {
  const digest = createHash('sha256').update(privateKey).digest('hex')
  return JSON.stringify([base, appId, installationId, digest])
}
