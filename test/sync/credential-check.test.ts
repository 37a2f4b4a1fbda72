import { expect, test } from 'bun:test'
import { createLogger } from '../../src/observability/logger.ts'
import { githubHost } from '../../src/sources/hosts/github.ts'
import { credentialCheck } from '../../src/sync/credential-check.ts'
import type { RepositoryHost } from '../../src/sync/repository-host.ts'
import { egress } from '../sources/support.ts'
import { repositoryRow } from '../store/support.ts'
import { GithubDouble } from '../support/hosts/github-double.ts'

test('a host that says nothing is not waited for', async () => {
  const logged: string[] = []
  const logger = createLogger({ level: 'debug', format: 'json', write: (line) => void logged.push(line) })
  let asked = 0
  const data = () => void asked++
  const silent = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data } })
  const base = `http://127.0.0.1:${silent.port}`
  const host = githubHost({ http: egress('127.0.0.0/8'), base, token: async () => 'token', isApp: false })
  const opened: RepositoryHost = { host, address: { apiBase: base, path: 'acme/lib', cloud: false }, known: true }
  try {
    await credentialCheck(() => opened, { logger, patience: 100 })(repositoryRow('repo_1'))
    expect(logged.join('')).toContain('could not be checked')
    expect(asked).toBe(1)
  } finally {
    silent.stop(true)
  }
})

test('a credential that is none for the API is not asked about', async () => {
  const double = new GithubDouble()
  const logger = createLogger({ level: 'debug', format: 'json', write: () => {} })
  const address = { apiBase: '', path: 'acme/lib', cloud: false }
  try {
    for (const opened of [null, { host: double.open('wrong-token'), address, known: false }]) {
      await credentialCheck(() => opened, { logger })(repositoryRow('repo_1'))
    }
    expect(double.seen).toEqual([])
  } finally {
    await double.stop()
  }
})
