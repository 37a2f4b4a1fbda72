import { createPrivateKey, createSign, type KeyObject } from 'node:crypto'
import { AppError } from '../../errors.ts'
import type { UpstreamHttp } from '../upstream-http.ts'
import { hostFailure, hostFailureReason } from './failure.ts'
import { Fields } from './fields.ts'
import { readGithubRefusal } from './github-refusal.ts'
import { type ApiAnswer, HostApi } from './host-api.ts'

/** A GitHub App as it is installed in one account. */
export interface GithubApp {
  readonly appId: string
  readonly installationId: string
  /** PEM, PKCS#1 as GitHub makes it or PKCS#8. */
  readonly privateKey: string
}

/** How long GitHub may take to make a token, in milliseconds. */
const PATIENCE = 30_000

/** Seconds before its end from which a token is not used any more: a sync that begins with it may take a while. */
const SPARE = 300

/**
 * Reads a GitHub App from three values. Throws AppError('invalid') with the expected form; the key is never repeated.
 */
export function parseGithubApp(appId: string, installationId: string, privateKey: string): GithubApp {
  if (!/^(?:\d{1,15}|Iv[\w.]{10,40})$/.test(appId)) throw invalid('app_id is a number, or the client id of the app')
  if (!/^\d{1,15}$/.test(installationId))
    throw invalid('installation_id is the number at the end of the address of the installation')
  keyOf(privateKey)
  return { appId, installationId, privateKey }
}

/**
 * The JWT a GitHub App asks for installation tokens with (GitHub: generating a JSON Web Token for a GitHub App). `now`
 * is in Unix seconds; it begins a minute earlier, because clocks differ, and ends after nine.
 */
export function githubAppJwt(app: GithubApp, now: number): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const signed = `${part({ alg: 'RS256', typ: 'JWT' })}.${part({ iat: now - 60, exp: now + 540, iss: app.appId })}`
  return `${signed}.${createSign('RSA-SHA256').update(signed).sign(keyOf(app.privateKey), 'base64url')}`
}

/** Installation tokens of one app, each asked for once and used until shortly before it ends. */
export class InstallationTokens {
  private token: { readonly text: string; readonly expiresAt: number } | null = null
  private asking: Promise<string> | null = null
  private readonly api: HostApi

  /** `base` is the address of the API; `now` gives Unix seconds. */
  constructor(
    private readonly app: GithubApp,
    http: UpstreamHttp,
    base: string,
    private readonly now: () => number,
  ) {
    this.api = new HostApi({
      http,
      base,
      headers: { Accept: 'application/vnd.github+json', 'X-GitHub-Api-Version': '2022-11-28' },
      authorization: async () => ({ Authorization: `Bearer ${githubAppJwt(app, now())}` }),
      readRefusal: readGithubRefusal,
    })
  }

  /** Throws AppError('upstream') when the app or its installation is not known any more. */
  async get(signal: AbortSignal): Promise<string> {
    if (this.token !== null && this.token.expiresAt - SPARE > this.now()) return this.token.text
    // Whoever asked first may leave; the others wait on.
    this.asking ??= this.ask(AbortSignal.timeout(PATIENCE)).finally(() => {
      this.asking = null
    })
    return unlessAborted(this.asking, signal)
  }

  private async ask(signal: AbortSignal): Promise<string> {
    const answer = await this.answer(signal)
    const fields = Fields.of(this.api.where, answer.json)
    const text = fields.text('token')
    if (!/^[\x21-\x7e]{1,1000}$/.test(text))
      throw hostFailure('protocol', `${this.api.where} answered with a token that is none.`)
    this.token = { text, expiresAt: fields.optionalDate('expires_at') ?? this.now() }
    return text
  }

  private async answer(signal: AbortSignal): Promise<ApiAnswer> {
    const { appId, installationId } = this.app
    const path = `/app/installations/${installationId}/access_tokens`
    const wanted = 'use this installation of the GitHub App'
    try {
      return await this.api.send({ method: 'POST', path, wanted, signal })
    } catch (error) {
      if (hostFailureReason(error) !== 'missing') throw error
      // It is the credential that is gone, not the repository it is for.
      throw hostFailure('auth', `${this.api.where} knows no installation ${installationId} of the app ${appId}.`)
    }
  }
}

/** The outcome of a promise, or the reason of the signal when that comes first. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted()
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason)
    signal.addEventListener('abort', stop, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
  })
}

function keyOf(privateKey: string): KeyObject {
  let key: KeyObject
  try {
    key = createPrivateKey(privateKey)
  } catch {
    throw invalid('private_key is the PEM file that GitHub offers for the app')
  }
  if (key.asymmetricKeyType !== 'rsa') throw invalid('private_key is an RSA key')
  return key
}

function invalid(expected: string): AppError {
  return new AppError('invalid', `For a GitHub App, ${expected}.`, {
    details: { fields: { auth_credentials: expected } },
  })
}
