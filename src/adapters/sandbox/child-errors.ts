/** The job took longer than its deadline; its child was killed. */
export class ChildTimeout extends Error {
  override readonly name = "ChildTimeout"
}

/** The job took more memory than a child may have; its child was killed. */
export class ChildOutOfMemory extends Error {
  override readonly name = "ChildOutOfMemory"
}

/** The child died or misbehaved during the job, or could not be started. The job may have had an effect. */
export class ChildCrashed extends Error {
  override readonly name = "ChildCrashed"
}

/** Too many jobs of this owner wait already. Nothing was started. */
export class ChildPoolFull extends Error {
  override readonly name = "ChildPoolFull"
}

/** The request is longer than the pool allows. Nothing was started. */
export class ChildRequestTooLarge extends Error {
  override readonly name = "ChildRequestTooLarge"
}

/** The pool was closed before the job was done. */
export class ChildPoolClosed extends Error {
  override readonly name = "ChildPoolClosed"
}
