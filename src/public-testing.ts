/** Entry "stratalog/testing": a broker for the tests of an application. */
export { type TestBroker, type TestBrokerOptions, testBroker } from './testing/test-broker.ts'
