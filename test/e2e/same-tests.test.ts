import { expect, setDefaultTimeout, test } from 'bun:test'
import { join } from 'node:path'
import { executable } from '../support/binary.ts'
import { AGAINST_EXECUTABLE } from '../support/start-broker.ts'

setDefaultTimeout(300_000)

const ROOT = join(import.meta.dir, '../..')

/** Tests that begin with `startBroker`: each row of theirs holds for the executable too. */
const FILES = [...new Bun.Glob('test/http/*.test.ts').scanSync(ROOT)].sort()

test('what holds inside the test process holds for the executable', async () => {
  const texts = await Promise.all(FILES.map((file) => Bun.file(join(ROOT, file)).text()))
  const shared = FILES.filter((_, index) => texts[index]?.includes('startBroker('))
  expect(shared.length).toBeGreaterThan(5)
  const run = Bun.spawn([process.execPath, 'test', '--timeout', '60000', ...shared], {
    cwd: ROOT,
    env: { ...process.env, PACKAGE_BROKER_BINARY: await executable(), [AGAINST_EXECUTABLE]: '1' },
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const [code, output] = await Promise.all([run.exited, new Response(run.stderr).text()])
  const failures = output.split('\n').filter((line) => line.startsWith('(fail)'))
  expect({ code, failures, output: code === 0 ? '' : output }).toEqual({ code: 0, failures: [], output: '' })
})
