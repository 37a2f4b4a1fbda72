import { expect, test } from 'bun:test'
import { TestApp } from '../support/app.ts'

test('a failure inside shows the request id, nothing of the inside, and is in the log under that id', async () => {
  const app = await TestApp.start()
  const { token } = await app.token({ permissions: 'write', rate_limit_max: 9 })
  await app.ask('/packages.json', { token })
  await app.stop(true)
  const response = await app.ask('/api/tokens', { token, headers: { 'X-Request-Id': 'broken-1' } })
  expect(response.status).toBe(500)
  expect(response.headers.get('content-type')).toBe('application/json')
  expect(response.headers.get('x-ratelimit-remaining')).toBe('7')
  expect(await response.json()).toEqual({
    error: 'Something went wrong inside the server; its log has the details under this request id.',
    code: 'INTERNAL_ERROR',
    details: { request_id: 'broken-1' },
  })
  const logged = app.logged.find((line) => line.includes('request failed') && line.includes('broken-1'))
  expect(logged).toContain('"status":500')
  expect(logged).not.toContain(token)
})
