import type { Server } from 'bun'

/** How the git server behaves towards clients. */
export interface GitServerOptions {
  /** Directory with the bare repositories; `root/x.git` is served at `url/x.git`. */
  root: string
  /** `any`: every filter; `github`: `tree` only with depth 0; `none`: no filters, as Bitbucket Cloud. Default `any`. */
  filters?: 'any' | 'github' | 'none'
  /** Basic credentials that every request must carry. */
  auth?: { user: string; password: string } | undefined
  /** Sets `uploadpack.allowAnySHA1InWant`. */
  anySha?: boolean
  /** `v0`: ignores `Git-Protocol`; `dumb`: serves files only (run `git update-server-info` first). Default `v2`. */
  protocol?: 'v2' | 'v0' | 'dumb'
}

/** One answered request; `bytesOut` counts body bytes and is final when the client has read the body. */
export interface GitServerRequest {
  method: string
  /** Path and query. */
  path: string
  status: number
  bytesOut: number
}

export interface GitServer {
  /** `http://127.0.0.1:<port>`, without a trailing slash. */
  url: string
  requests: GitServerRequest[]
  /** Basic credentials that every request must carry from now on. */
  auth: GitServerOptions['auth']
  stop(): Promise<void>
}

/** Serves bare repositories with the real `git http-backend` on a free loopback port. */
export async function startGitServer(given: GitServerOptions): Promise<GitServer> {
  const options = { ...given }
  const execPath = Bun.spawnSync(['git', '--exec-path']).stdout.toString().trim()
  const requests: GitServerRequest[] = []
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    idleTimeout: 60,
    fetch: (request) => answer(request, options, `${execPath}/git-http-backend`, requests),
  })
  return {
    url: origin(server),
    requests,
    get auth() {
      return options.auth
    },
    set auth(auth) {
      options.auth = auth
    },
    stop: () => server.stop(true),
  }
}

function origin(server: Server<undefined>): string {
  return `http://127.0.0.1:${server.port}`
}

async function answer(
  request: Request,
  options: GitServerOptions,
  backend: string,
  requests: GitServerRequest[],
): Promise<Response> {
  const url = new URL(request.url)
  const entry: GitServerRequest = { method: request.method, path: url.pathname + url.search, status: 401, bytesOut: 0 }
  requests.push(entry)
  if (options.auth !== undefined) {
    const expected = `Basic ${btoa(`${options.auth.user}:${options.auth.password}`)}`
    if (request.headers.get('authorization') !== expected) {
      return new Response('login first', { status: 401, headers: { 'www-authenticate': 'Basic realm="git"' } })
    }
  }
  const backendProcess = Bun.spawn([backend], {
    env: cgiEnvironment(request, url, options),
    stdin: request.body === null ? 'ignore' : new Response(request.body),
    stdout: 'pipe',
    stderr: 'ignore',
  })
  const { status, headers, rest, reader } = await readCgiHead(backendProcess.stdout.getReader())
  entry.status = status
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      entry.bytesOut += rest.length
      if (rest.length > 0) controller.enqueue(rest)
    },
    async pull(controller) {
      const { done, value } = await reader.read()
      if (done || value === undefined) return controller.close()
      entry.bytesOut += value.length
      controller.enqueue(value)
    },
    cancel() {
      backendProcess.kill()
    },
  })
  return new Response(body, { status, headers })
}

function cgiEnvironment(request: Request, url: URL, options: GitServerOptions): Record<string, string> {
  const headers = request.headers
  const config: [string, string][] = [
    ['safe.directory', '*'],
    ['uploadpack.allowFilter', options.filters === 'none' ? 'false' : 'true'],
    ['uploadpack.allowAnySHA1InWant', String(options.anySha ?? false)],
  ]
  if (options.filters === 'github') {
    config.push(['uploadpackfilter.allow', 'false'], ['uploadpackfilter.blob:none.allow', 'true'])
    config.push(['uploadpackfilter.tree.allow', 'true'], ['uploadpackfilter.tree.maxDepth', '0'])
  }
  const environment: Record<string, string> = {
    PATH: process.env.PATH ?? '',
    HOME: '/nonexistent',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_PROJECT_ROOT: options.root,
    GIT_HTTP_EXPORT_ALL: '1',
    REQUEST_METHOD: request.method,
    PATH_INFO: decodeURIComponent(url.pathname),
    QUERY_STRING: options.protocol === 'dumb' ? '' : url.search.slice(1),
    CONTENT_TYPE: headers.get('content-type') ?? '',
    REMOTE_ADDR: '127.0.0.1',
    GIT_CONFIG_COUNT: String(config.length),
  }
  for (const [index, [key, value]] of config.entries()) {
    environment[`GIT_CONFIG_KEY_${index}`] = key
    environment[`GIT_CONFIG_VALUE_${index}`] = value
  }
  const length = headers.get('content-length')
  if (length !== null) environment.CONTENT_LENGTH = length
  const encoding = headers.get('content-encoding')
  if (encoding !== null) environment.HTTP_CONTENT_ENCODING = encoding
  const protocol = headers.get('git-protocol')
  if (protocol !== null && (options.protocol ?? 'v2') === 'v2') environment.GIT_PROTOCOL = protocol
  return environment
}

interface CgiReader {
  read(): Promise<{ done: boolean; value?: Uint8Array<ArrayBuffer> | undefined }>
}

interface CgiHead {
  status: number
  headers: Headers
  rest: Uint8Array
  reader: CgiReader
}

async function readCgiHead(reader: CgiReader): Promise<CgiHead> {
  let bytes = Buffer.alloc(0)
  let end = -1
  while (end < 0) {
    const { done, value } = await reader.read()
    if (done || value === undefined) throw new Error('git http-backend ended before its header did')
    bytes = Buffer.concat([bytes, value])
    end = bytes.indexOf('\r\n\r\n')
  }
  const headers = new Headers()
  let status = 200
  for (const line of bytes.subarray(0, end).toString().split('\r\n')) {
    const colon = line.indexOf(':')
    const [name, value] = [line.slice(0, colon), line.slice(colon + 1).trim()]
    if (name.toLowerCase() === 'status') status = Number.parseInt(value, 10)
    else headers.set(name, value)
  }
  return { status, headers, rest: bytes.subarray(end + 4), reader }
}
