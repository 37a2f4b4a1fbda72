import * as nodeFs from 'node:fs/promises'
import { createApp } from '../../src/app.ts'
import type { FileSystem } from '../../src/archives/file-system.ts'
import { readConfig } from '../../src/config.ts'

/*
 * A server that dies, as by kill -9, at a point of the first upload: `bun dying-server.ts <point>`. Configured by the
 * environment as ever; its address is in its log.
 */
const point = process.argv[2]

function reached(name: string): void {
  if (name === point) process.kill(process.pid, 'SIGKILL')
}

let named = false
const uploadFiles = {
  ...nodeFs,
  open: async (...args: Parameters<typeof nodeFs.open>) => {
    const handle = await nodeFs.open(...args)
    if (args[1] === 'wx') reached('a temporary file is made')
    return new Proxy(handle, {
      get(target, name) {
        const value = Reflect.get(target, name)
        if (name !== 'sync') return typeof value === 'function' ? value.bind(target) : value
        return async () => {
          reached('it is written, and not durable')
          await target.sync()
          if (named) reached('it has its name for good, and no record')
        }
      },
    })
  },
  rename: async (from: string, to: string) => {
    reached('it is durable, without its name')
    await nodeFs.rename(from, to)
    named = true
    reached('it has its name, and no record')
  },
} as FileSystem

const app = await createApp(readConfig(), { uploadFiles })
const { url } = await app.start()
app.logger.info('listening', { url })
