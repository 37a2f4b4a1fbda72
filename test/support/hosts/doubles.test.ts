import { describe, expect, test } from 'bun:test'
import { DOUBLES } from './doubles.ts'
import { Shapes } from './shapes.ts'
import { TypeDeclarations } from './type-declarations.ts'

describe('doubles of hosts answer in the published shape', () => {
  for (const Double of DOUBLES) {
    test(`${Double.name} is told of an answer that its host would not give`, async () => {
      const double = new Double()
      // A description that is a number.
      double.add('lib', { description: 7 as unknown as string })
      const facts = double.open().facts({ path: double.pathOf('lib'), id: null }, AbortSignal.timeout(5000))
      await facts.catch(() => {})
      expect(await double.stop().then(() => null, String)).toContain('does not answer so')
    })
  }
})

describe('a published shape', () => {
  test('names every field, also in lists and below', async () => {
    const shapes = await Shapes.load('gitlab')
    const list = { method: 'GET', path: '/groups/acme%2Fphp/projects', status: 200 }
    expect(shapes.check({ ...list, body: [{ id: 1, forked_from_project: { id: 2 }, description: null }] })).toEqual([])
    const [problem] = shapes.check({ ...list, body: [{ id: 1, forked_from_project: { di: 2 } }] })
    expect(problem).toContain('[].forked_from_project.di')
    expect(shapes.check({ ...list, body: [{ id: '1' }] })[0]).toContain('integer')
    expect(shapes.check({ ...list, path: '/gruops/acme/projects', body: [] })[0]).toContain('nothing is published')
  })

  test('GitHub says where null may stand', async () => {
    const shapes = await Shapes.load('github')
    const check = (fields: Record<string, unknown>) =>
      shapes.check({
        method: 'GET',
        path: '/repos/acme/lib',
        status: 200,
        body: shapes.make('full-repository', { description: null, ...fields }),
      })
    expect(check({})).toEqual([])
    expect(check({ name: null })[0]).toContain('name must be string')
  })
})

test('types are read as the schemas they were made of', () => {
  const types = new TypeDeclarations(`
    interface Other { id?: number }
export interface Repo {
    /** Format: int32 */
    readonly id?: number;
    /** @format date-time */
    created: string;
    plain: string;
    readonly kind: "a" | 'b';
    links?: { readonly "x-y"?: readonly { href: string }[] };
    owner: components["schemas"]["account"] & { more?: Record<string, boolean> };
    either: string | number;
    [key: string]: unknown;
}`)
  expect<unknown>(types.interface('Repo')).toEqual({
    type: 'object',
    required: ['created', 'plain', 'kind', 'owner', 'either'],
    properties: {
      id: { type: 'integer' },
      created: { type: 'string', format: 'date-time' },
      plain: { type: 'string' },
      kind: { enum: ['a', 'b'] },
      links: {
        type: 'object',
        properties: {
          'x-y': {
            type: 'array',
            items: { type: 'object', required: ['href'], properties: { href: { type: 'string' } } },
          },
        },
      },
      owner: {
        allOf: [
          { $ref: '#/components/schemas/account' },
          {
            type: 'object',
            properties: { more: { type: 'object', additionalProperties: { type: 'boolean' } } },
          },
        ],
      },
      either: { anyOf: [{ type: 'string' }, { type: 'number' }] },
    },
  })
})
