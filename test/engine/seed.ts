/** The seed of every property here: `AGENTRUNTIME_TEST_SEED`, or a new one each time; fast-check and the machine print it on failure. */
export const SEED = Number(process.env.AGENTRUNTIME_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31))
