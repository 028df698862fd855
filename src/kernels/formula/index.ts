/** The formula language: text in, checked graphs out. */
export { type FormulaText, type Place, plainText } from './diagnostics.ts';
export { type CheckedLoss, checkFlow, checkLoss, checkValue } from './formulas.ts';
export { parse, parseLetKey } from './parser.ts';
export { print } from './print.ts';
export { checkScope, type LetEntry, type Rows, type Scope, type WithField } from './scope.ts';
export { isIdentifier, type Syntax } from './syntax.ts';
