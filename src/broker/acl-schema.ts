/** What the APIs of access control lists have in common: there is no authorizer that would heed them. */
import { int8, string } from '../protocol/schema.ts'

/** What their answers say. */
export const noAuthorizer = 'no authorizer is configured'

/** A pattern that is a name; versions before patterns mean it. */
export const literalPattern = 3

/** Which lists a request is about. */
export const aclFilter = {
  resourceTypeFilter: int8(),
  resourceNameFilter: string('0+', { nullable: '0+' }),
  patternTypeFilter: int8('1+', { default: literalPattern }),
  principalFilter: string('0+', { nullable: '0+' }),
  hostFilter: string('0+', { nullable: '0+' }),
  operation: int8(),
  permissionType: int8(),
}
