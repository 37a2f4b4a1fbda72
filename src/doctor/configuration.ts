import type { Config } from '../config.ts'
import { type Finding, ok, warning } from './finding.ts'

/** What of a configuration that is right may all the same not be what was meant. */
export function examineConfiguration(config: Config): Finding[] {
  const found = [baseUrl(config), proxy(config), networks(config), metrics(config)].filter((entry) => entry !== null)
  return found.length > 0 ? found : [ok('configuration', 'Nothing in it looks unusual.')]
}

function baseUrl({ baseUrl: url }: Config): Finding | null {
  if (url === null) {
    return warning(
      'BASE_URL',
      'It is not set: the addresses that lock files keep are those that each client came by.',
      'Set it to the address by which everybody reaches this server.',
    )
  }
  const { protocol, hostname } = new URL(url)
  if (protocol === 'https:' || isLoopback(hostname)) return null
  return warning(
    'BASE_URL',
    `${url} is not encrypted, and Composer refuses it unless secure-http is off.`,
    'Put a proxy with TLS in front and set BASE_URL to its https address.',
  )
}

function proxy({ baseUrl: url, trustProxy }: Config): Finding | null {
  if (url === null || !url.startsWith('https:') || trustProxy.cidrs.length > 0) return null
  return warning(
    'TRUST_PROXY',
    'BASE_URL is https, which something in front of this server does, and nobody in front is trusted.',
    'Set TRUST_PROXY to the address of the proxy; else failed logins of everybody count as those of the proxy.',
  )
}

function networks({ allowedNetworks }: Config): Finding | null {
  if (!allowedNetworks.includes('169.254.169.254')) return null
  return warning(
    'ALLOWED_NETWORKS',
    'Repositories may be added from link-local addresses, where clouds keep the credentials of machines.',
    'Name only the networks that your git hosts are in.',
  )
}

function metrics({ metricsPublic, host }: Config): Finding | null {
  if (!metricsPublic || isLoopback(host)) return null
  return warning(
    'METRICS_PUBLIC',
    '/metrics is shown to everybody who reaches this server.',
    'Give Prometheus a readonly token instead, or let the proxy refuse /metrics.',
  )
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || host === '::1' || host.startsWith('127.')
}
