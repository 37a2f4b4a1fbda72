import { describe, expect, test } from 'bun:test'
import { distId, distPath, readUpstreamDist, type UpstreamDist } from '../../src/mirror/dist-address.ts'

const dist: UpstreamDist = { type: 'zip', url: 'https://host.example/zipball/abc', reference: 'abc', shasum: '' }

describe('the dist of an upstream', () => {
  test('is read with what it leaves out', () => {
    expect(readUpstreamDist('{"type":"zip","url":"https://host.example/a.zip","reference":null}')).toEqual({
      type: 'zip',
      url: 'https://host.example/a.zip',
      reference: '',
      shasum: '',
    })
  })

  test('is none where no server could hand it on', () => {
    const none = ['null', '"__unset"', '[]', '{"type":"zip"}', '{"type":"path","url":"../lib"}']
    const other = ['{"type":"zip","url":"file:///etc/passwd"}', '{"type":"zip","url":"ftp://host.example/a.zip"}']
    expect([undefined, ...none, ...other].map(readUpstreamDist)).toEqual(Array(8).fill(null))
  })
})

describe('the address here', () => {
  test('ends as the archive does', () => {
    const path = (type: string, url: string) => distPath('acme/lib', '1.0.0', { ...dist, type, url }).split('?')[0]
    expect(path('zip', 'https://host.example/zipball/abc')).toBe('/dist/acme/lib/1.0.0.zip')
    expect(path('tar', 'https://host.example/lib.TAR.gz?x=1')).toBe('/dist/acme/lib/1.0.0.tar.gz')
    expect(path('tar', 'https://host.example/lib')).toBe('/dist/acme/lib/1.0.0.tar')
  })

  test('keeps slashes of a branch and nothing else of it that has a meaning in an address', () => {
    expect(distPath('acme/lib', 'dev-a/b?c#d', dist)).toStartWith('/dist/acme/lib/dev-a/b%3Fc%23d.zip?dist=')
  })

  test('is another one for another archive', () => {
    const others = [{ url: 'https://host.example/other' }, { reference: 'abd' }, { shasum: 'a'.repeat(40) }]
    const ids = [dist, ...others.map((change) => ({ ...dist, ...change }))].map(distId)
    expect(new Set(ids).size).toBe(4)
    expect(ids[0]).toMatch(/^[0-9a-f]{40}$/)
  })
})
