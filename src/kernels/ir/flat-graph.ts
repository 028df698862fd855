/**
 * How does a graph leave the process? As a list of nodes, operands before users, each naming its operands by their place.
 *
 * A clone of the nodes themselves would not do: what comes back must be interned (sharing is `===`), and a deep graph
 * overflows the stack of a recursive copy. Rebuilt by the constructors in the order of `postorder`, the graph is the one it
 * was, so that everything derived from it, bit for bit, is too.
 */
import { invariant } from '../../errors.ts';
import { apply, concat, constant, type Expr, input, operands, part, reduce, total } from './expr.ts';
import { postorder } from './walk.ts';

/** A node that says which places of the list it is made of. */
export type FlatNode = WithPlaces<Expr>;

type WithPlaces<E> = E extends unknown
  ? Omit<E, 'arg' | 'args' | 'body' | 'id' | 'where'> & { readonly operands: readonly number[] }
  : never;

/** The nodes below the roots; `placeOf` gives the place of a root among them. */
export function flatten(roots: readonly Expr[]): {
  readonly nodes: readonly FlatNode[];
  readonly placeOf: (root: Expr) => number;
} {
  const order = postorder(...roots);
  const places = new Map(order.map((node, place) => [node, place]));
  const placeOf = (node: Expr): number => {
    const place = places.get(node);
    invariant(place !== undefined, 'operands come before their users, and roots are among the nodes');
    return place;
  };
  return { nodes: order.map((node) => flat(node, operands(node).map(placeOf))), placeOf };
}

function flat(node: Expr, places: readonly number[]): FlatNode {
  const { width } = node;
  switch (node.kind) {
    case 'apply':
      return { kind: node.kind, width, op: node.op, operands: places };
    case 'concat':
    case 'total':
      return { kind: node.kind, width, operands: places };
    case 'constant':
      return { kind: node.kind, width, value: node.value, operands: places };
    case 'input':
      return { kind: node.kind, width, leaf: node.leaf, operands: places };
    case 'part':
      return { kind: node.kind, width, start: node.start, operands: places };
    case 'reduce':
      return { kind: node.kind, width, by: node.by, loop: node.loop, operands: places };
  }
}

/** The nodes of this process that a list describes, in its order. */
export function unflatten(nodes: readonly FlatNode[]): readonly Expr[] {
  const made: Expr[] = [];
  for (const node of nodes) {
    const args = node.operands.map((place) => {
      const operand = made[place];
      invariant(operand !== undefined, 'operands come before their users');
      return operand;
    });
    made.push(rebuilt(node, args));
  }
  return made;
}

function rebuilt(node: FlatNode, args: readonly Expr[]): Expr {
  const [first, second = null] = args;
  switch (node.kind) {
    case 'apply':
      return apply(node.op, ...args);
    case 'concat':
      return concat(...args);
    case 'constant':
      return constant(node.value);
    case 'input':
      return input(node.leaf, node.width);
    case 'part':
      invariant(first !== undefined, 'a part is of something');
      return part(first, node.start, node.width);
    case 'reduce':
      invariant(first !== undefined, 'a reduction has a body');
      return reduce(node.by, node.loop, first, second);
    case 'total':
      invariant(first !== undefined, 'a total is of something');
      return total(first);
  }
}
