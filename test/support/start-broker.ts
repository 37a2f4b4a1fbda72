import { TestApp } from './app.ts'
import type { Broker } from './broker.ts'
import { ExecutableBroker } from './executable-broker.ts'

/** Set while `test/e2e/same-tests.test.ts` runs tests again. */
export const AGAINST_EXECUTABLE = 'TESTS_AGAINST_EXECUTABLE'

/**
 * Starts the program inside the test process or, while tests are run again, the compiled executable: what such a test
 * says holds for both.
 */
export function startBroker(environment: Record<string, string> = {}): Promise<Broker> {
  return process.env[AGAINST_EXECUTABLE] ? ExecutableBroker.start(environment) : TestApp.start(environment)
}
