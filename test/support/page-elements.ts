/** As much of a browser's document as the page of the API needs: elements with properties, children and text. */
export class PageElement {
  readonly children: (PageElement | string)[] = []
  readonly dataset: Record<string, string> = {}
  id = ''
  href = ''
  open = false

  constructor(readonly tag: string) {}

  append(...children: (PageElement | string)[]): void {
    for (const child of children) {
      if (!(child instanceof PageElement) && typeof child !== 'string') throw new TypeError(`${child} is no node`)
      this.children.push(child)
    }
  }

  replaceChildren(...children: (PageElement | string)[]): void {
    this.children.length = 0
    this.append(...children)
  }

  scrollIntoView(): void {}

  /** All text inside, in order. */
  get text(): string {
    return this.children.map((child) => (typeof child === 'string' ? child : child.text)).join(' ')
  }

  /** Every element of a kind inside. */
  all(tag: string): PageElement[] {
    const inside = this.children.filter((child) => child instanceof PageElement)
    return inside.flatMap((child) => [...(child.tag === tag ? [child] : []), ...child.all(tag)])
  }
}
