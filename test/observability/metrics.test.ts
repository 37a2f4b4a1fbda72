import { describe, expect, test } from 'bun:test'
import { LoopLag } from '../../src/observability/loop-lag.ts'
import { Metrics } from '../../src/observability/metrics.ts'
import { readMetrics } from '../support/metrics.ts'

async function valuesOf(metrics: Metrics): Promise<Map<string, number>> {
  return readMetrics((await metrics.text()).body)
}

describe('metrics', () => {
  test('count requests by route, method and status, and how long they took', async () => {
    const metrics = new Metrics()
    metrics.request('/p2/:vendor/:file', 'GET', 200, 0.003)
    metrics.request('/p2/:vendor/:file', 'GET', 200, 0.2)
    metrics.request('/p2/:vendor/:file', 'GET', 404, 0.2)
    const values = await valuesOf(metrics)
    expect(values.get('http_requests_total{route="/p2/:vendor/:file",method="GET",status="200"}')).toBe(2)
    expect(values.get('http_requests_total{route="/p2/:vendor/:file",method="GET",status="404"}')).toBe(1)
    expect(values.get('http_request_duration_seconds_bucket{le="0.005",route="/p2/:vendor/:file"}')).toBe(1)
    expect(values.get('http_request_duration_seconds_count{route="/p2/:vendor/:file"}')).toBe(3)
  })

  test('have a bounded number of hosts', async () => {
    const metrics = new Metrics()
    for (let host = 0; host < 1_000; host++) metrics.upstream(`h${host}.example`, 200, 0.1)
    metrics.upstream('h0.example', null, 60)
    const values = await valuesOf(metrics)
    const counted = [...values].filter(([name]) => name.startsWith('upstream_requests_total'))
    expect(counted.length).toBe(202)
    expect(values.get('upstream_requests_total{host="other",status="200"}')).toBe(800)
    expect(values.get('upstream_requests_total{host="h0.example",status="failed"}')).toBe(1)
  })

  test('ask for sampled values at each look, and forget those that are gone', async () => {
    const metrics = new Metrics()
    let states = ['queued', 'running']
    metrics.sampled({
      name: 'jobs',
      help: 'Jobs.',
      kind: 'gauge',
      labels: ['state'],
      samples: async () => states.map((state) => ({ value: 3, labels: { state } })),
    })
    expect((await valuesOf(metrics)).get('jobs{state="running"}')).toBe(3)
    states = ['queued']
    const values = await valuesOf(metrics)
    expect([values.get('jobs{state="queued"}'), values.get('jobs{state="running"}')]).toEqual([3, undefined])
  })

  test('tell of the longest stall of the event loop since the last look', async () => {
    const lag = new LoopLag()
    const [longest, others] = [lag.reader(), lag.reader()]
    lag.start()
    await Bun.sleep(15)
    const until = performance.now() + 120
    while (performance.now() < until);
    await Bun.sleep(15)
    expect(longest()).toBeGreaterThan(0.1)
    await Bun.sleep(15)
    expect(longest()).toBeLessThan(0.1)
    expect(others()).toBeGreaterThan(0.1)
    lag.stop()
  })
})
