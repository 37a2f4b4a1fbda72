import { connect } from 'node:net'

/** Begins a download, reads the head and some bytes, then holds still until `rest`. */
export async function slowDownload(url: string, path: string, token: string) {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  const chunks: Buffer[] = []
  const closed = new Promise<void>((resolve) => {
    socket.on('close', resolve)
  })
  const first = new Promise<void>((resolve, reject) => {
    socket.on('error', reject)
    socket.on('data', (chunk) => {
      chunks.push(Buffer.from(chunk))
      socket.pause()
      resolve()
    })
  })
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: ${hostname}\r\nConnection: close\r\nAuthorization: Bearer ${token}\r\n\r\n`,
  )
  await first
  return {
    async rest() {
      socket.removeAllListeners('data')
      socket.on('data', (chunk) => chunks.push(Buffer.from(chunk)))
      socket.resume()
      await closed
      const all = Buffer.concat(chunks)
      const head = all.indexOf('\r\n\r\n')
      const expected = Number(/content-length: (\d+)/i.exec(all.toString('latin1', 0, head))?.[1])
      return { expected, received: all.length - head - 4 }
    },
  }
}

/** Waits until no new connection is accepted. */
export async function refused(url: string): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    const answered = await fetch(`${url}/health`, { headers: { Connection: 'close' } }).catch(() => null)
    if (answered === null) return
    await Bun.sleep(10)
  }
  throw new Error('the server still accepts requests')
}
