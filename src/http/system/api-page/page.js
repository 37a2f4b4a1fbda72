/** Shows the description of the API. Text of the description only ever becomes text, never markup. */

const METHODS = ['get', 'head', 'post', 'put', 'patch', 'delete']
const PAGE = document.getElementById('document')

/** An element with properties and children; a string child is text. */
function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties)
  element.append(...children.filter((child) => child !== null && child !== undefined))
  return element
}

/** Text in which what stands between backticks is code. */
function prose(text) {
  const parts = text.split('`')
  return make('p', {}, ...parts.map((part, index) => (index % 2 === 1 ? make('code', {}, part) : part)))
}

function block(value) {
  return make('pre', {}, typeof value === 'string' ? value : JSON.stringify(value, null, 2))
}

function resolve(api, value) {
  if (!value?.$ref) return value
  return value.$ref
    .slice(2)
    .split('/')
    .reduce((found, key) => found?.[key], api)
}

/** The form of a value in a few words, such as `integer ≥ 0, or null`. */
function typeOf(api, given) {
  const schema = resolve(api, given) ?? {}
  if (given?.$ref) return schema.title
  if (schema.anyOf) {
    const forms = schema.anyOf.map((form) => typeOf(api, form))
    return forms.join(forms.every((form) => form.startsWith('"')) ? ' | ' : ', or ')
  }
  if ('const' in schema) return JSON.stringify(schema.const)
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' | ')
  if (schema.type === 'array') return `list of ${typeOf(api, schema.items)}`
  return `${schema.type ?? 'anything'}${limitsOf(schema)}`
}

function limitsOf(schema) {
  const lowest = schema.minimum ?? schema.minLength ?? schema.minProperties
  const highest = schema.maximum ?? schema.maxLength ?? schema.maxProperties
  const unit = schema.maxLength === undefined && schema.minLength === undefined ? '' : ' characters'
  if (lowest === undefined && highest === undefined) return ''
  if (lowest === undefined) return `, at most ${highest}${unit}`
  if (highest === undefined) return `, at least ${lowest}${unit}`
  return `, ${lowest} to ${highest}${unit}`
}

/** The fields of an object, those of objects inside it below them. */
function fieldRows(api, given, start = '', depth = 0) {
  const schema = resolve(api, given) ?? {}
  const required = new Set(schema.required ?? [])
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const target = resolve(api, field)
    const inner = target.type === 'array' ? resolve(api, target.items) : target
    const place = `${start}${name}${target.type === 'array' ? '[]' : ''}`
    const row = [place, typeOf(api, field), required.has(name) ? 'yes' : '', target.description ?? '']
    return depth < 4 && inner?.properties ? [row, ...fieldRows(api, inner, `${place}.`, depth + 1)] : [row]
  })
}

function table(heads, rows) {
  if (rows.length === 0) return null
  return make(
    'table',
    {},
    make('thead', {}, make('tr', {}, ...heads.map((head) => make('th', {}, head)))),
    make('tbody', {}, ...rows.map((row) => make('tr', {}, ...row.map((cell, index) => cellOf(cell, index))))),
  )
}

function cellOf(cell, index) {
  return make('td', {}, index === 0 ? make('code', {}, cell) : cell)
}

function content(api, media) {
  if (!media) return []
  return Object.entries(media).flatMap(([type, { schema, examples = {} }]) => {
    const target = resolve(api, schema) ?? {}
    const rows = fieldRows(api, target.type === 'array' ? target.items : target)
    return [
      make('p', { className: 'faint' }, `${type}${target.type ? `, ${typeOf(api, schema)}` : ''}`),
      table(['field', 'type', 'always', 'meaning'], rows),
      ...Object.entries(examples).flatMap(([name, { value }]) => [
        make('p', { className: 'faint' }, `Example: ${name}`),
        block(value),
      ]),
    ]
  })
}

function answer(api, [status, given]) {
  const { description, headers = {}, content: media } = resolve(api, given)
  const rows = Object.entries(headers).map(([name, reference]) => {
    const header = resolve(api, reference)
    return [name, header.required ? 'always' : 'sometimes', header.description, String(header.example)]
  })
  return make(
    'details',
    {},
    make('summary', {}, make('code', {}, status), ' ', make('span', { className: 'what' }, description)),
    ...content(api, media),
    table(['header', '', 'meaning', 'example'], rows),
  )
}

function curl(api, method, path, operation) {
  const body = Object.values(operation.requestBody?.content?.['application/json']?.examples ?? {})[0]?.value
  const examples = new Map(operation.parameters.map(({ name, example }) => [name, String(example ?? name)]))
  const filled = path.replace(/\{(\w+)\}/g, (_, name) => examples.get(name) ?? name)
  return [
    `curl${method === 'get' ? '' : method === 'head' ? ' -I' : ` -X ${method.toUpperCase()}`} '${api.servers[0].url}${filled}'`,
    ...(operation.security.length > 0 ? [`  -H "Authorization: Bearer $TOKEN"`] : []),
    ...(body ? [`  -H 'Content-Type: application/json'`, `  -d '${JSON.stringify(body)}'`] : []),
  ].join(' \\\n')
}

function operationView(api, path, method, operation) {
  const rows = operation.parameters.map(({ name, in: place, schema, required, description = '' }) => [
    name,
    place,
    `${typeOf(api, schema)}${required ? ', required' : ''}`,
    description,
  ])
  return make(
    'details',
    { id: operation.operationId },
    make(
      'summary',
      {},
      make('span', { className: `method ${method.toUpperCase()}` }, method.toUpperCase()),
      make('code', {}, path),
      ' ',
      make('span', { className: 'what' }, operation.summary),
    ),
    operation.description ? prose(operation.description) : null,
    make(
      'p',
      { className: 'faint' },
      operation.security.length === 0 ? 'No token.' : `Needs: ${operation['x-access']}.`,
    ),
    block(curl(api, method, path, operation)),
    rows.length > 0 ? make('h4', {}, 'Parameters') : null,
    table(['name', 'in', 'type', 'meaning'], rows),
    ...(operation.requestBody ? [make('h4', {}, 'Body'), ...content(api, operation.requestBody.content)] : []),
    make('h4', {}, 'Answers'),
    ...Object.entries(operation.responses).map((entry) => answer(api, entry)),
  )
}

/** Opens the operation that the address names. */
function openNamed() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)))
  if (!(target instanceof HTMLDetailsElement)) return
  target.open = true
  target.scrollIntoView()
}

function show(api) {
  const operations = Object.entries(api.paths).flatMap(([path, methods]) =>
    METHODS.filter((method) => methods[method]).map((method) => ({ path, method, operation: methods[method] })),
  )
  const groups = api.tags
    .map((tag) => ({ ...tag, operations: operations.filter(({ operation }) => operation.tags?.includes(tag.name)) }))
    .filter((group) => group.operations.length > 0)
  document
    .getElementById('contents')
    .replaceChildren(
      ...groups.flatMap((group) => [
        make('h2', {}, group.name),
        ...group.operations.map(({ operation }) => make('a', { href: `#${operation.operationId}` }, operation.summary)),
      ]),
    )
  PAGE.replaceChildren(
    make('h1', {}, `${api.info.title} ${api.info.version}`),
    ...api.info.description.split('\n\n').map(prose),
    make('p', {}, make('a', { href: PAGE.dataset.source }, 'This description as OpenAPI')),
    ...groups.flatMap((group) => [
      make('h2', {}, group.name),
      prose(group.description),
      ...group.operations.map(({ path, method, operation }) => operationView(api, path, method, operation)),
    ]),
  )
  addEventListener('hashchange', openNamed)
  openNamed()
}

try {
  const response = await fetch(PAGE.dataset.source)
  if (!response.ok) throw new Error(`The server answered ${response.status}.`)
  show(await response.json())
} catch (error) {
  PAGE.replaceChildren(make('p', {}, `The description of the API could not be loaded: ${error.message}`))
}
