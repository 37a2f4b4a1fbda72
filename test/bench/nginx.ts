import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'

/** A running nginx. */
export interface Nginx {
  /** `http://127.0.0.1:<port>`, without a slash at the end. */
  readonly url: string
  readonly config: string
  stop(): Promise<void>
}

/** Serves `root` as fast as nginx does: one worker per core, no log, sendfile, `x.gz` beside `x` sent as it is. */
export async function startNginx(work: string, root: string): Promise<Nginx> {
  const home = join(work, 'nginx')
  mkdirSync(home, { recursive: true })
  const port = await freePort()
  const path = join(home, 'nginx.conf')
  writeFileSync(path, configuration(home, root, port))
  const nginx = Bun.spawn(['nginx', '-p', home, '-e', join(home, 'error.log'), '-c', path, '-g', 'daemon off;'], {
    stdout: 'inherit',
    stderr: 'inherit',
  })
  const url = `http://127.0.0.1:${port}`
  await untilAnswered(url)
  return {
    url,
    config: path,
    async stop() {
      nginx.kill('SIGTERM')
      await nginx.exited
    },
  }
}

function configuration(home: string, root: string, port: number): string {
  // Started by root, its workers would otherwise be a user who may not read the temporary directory.
  const user = process.getuid?.() === 0 ? 'user root;' : ''
  return `${user}
worker_processes auto;
pid ${home}/nginx.pid;
events { worker_connections 1024; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000000;
  open_file_cache max=1000 inactive=60s;
  gzip_static on;
  default_type application/octet-stream;
  types { application/json json; application/zip zip; }
  client_body_temp_path ${home}/body; proxy_temp_path ${home}/proxy; fastcgi_temp_path ${home}/fastcgi;
  uwsgi_temp_path ${home}/uwsgi; scgi_temp_path ${home}/scgi;
  server { listen 127.0.0.1:${port} backlog=4096; root ${root}; }
}
`
}

/** A port nobody listens on now. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.on('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}

async function untilAnswered(url: string): Promise<void> {
  for (let attempt = 0; attempt < 500; attempt++) {
    const answered = await fetch(url).then(
      () => true,
      () => false,
    )
    if (answered) return
    await Bun.sleep(10)
  }
  throw new Error('nginx did not start; its error.log stands beside its configuration.')
}
