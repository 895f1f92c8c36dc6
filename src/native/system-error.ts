/** Errors in the shape node:fs gives them, for what the portable binding finds out itself. */
export function systemError(code: string, syscall: string, detail?: string): Error {
  const message = detail === undefined ? `${code}: ${syscall}` : `${code}: ${detail}, ${syscall}`
  return Object.assign(new Error(message), { code, syscall })
}

export function rangeError(argument: string): Error {
  return Object.assign(new RangeError(`${argument} is out of range`), { code: 'ERR_OUT_OF_RANGE' })
}

export function typeError(argument: string): Error {
  return Object.assign(new TypeError(`${argument} has the wrong type`), {
    code: 'ERR_INVALID_ARG_TYPE',
  })
}
