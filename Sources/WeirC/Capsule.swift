// SPDX-License-Identifier: Apache-2.0
// swift-format-ignore-file: AlwaysUseLowerCamelCase

//
// Safe: capsules' memory is allocated and freed here only; Python calls each destructor once, with
// the capsule whose memory it is. A struct in it is either released (zeroed memory is) or valid.
internal import CWeir
internal import CWeirKernels
internal import Glibc

private typealias GetPointer =
  @convention(c) (UnsafeMutableRawPointer?, UnsafePointer<CChar>?) -> UnsafeMutableRawPointer?

// Safe: written before any capsule exists, under Python's global lock.
private nonisolated(unsafe) var getPointer: GetPointer?

@c @implementation
public func weir_capsule_setup(
  _ function: (
    @convention(c) (UnsafeMutableRawPointer?, UnsafePointer<CChar>?) -> UnsafeMutableRawPointer?
  )?
) {
  getPointer = function
}

@c @implementation
public func weir_capsule_allocate() -> UnsafeMutableRawPointer? {
  let sizes = [
    MemoryLayout<ArrowSchema>.size, MemoryLayout<ArrowArray>.size,
    MemoryLayout<ArrowArrayStream>.size,
  ]
  return calloc(1, sizes.max()!)
}

@c @implementation
public func weir_capsule_free(_ memory: UnsafeMutableRawPointer?) {
  free(memory)
}

@c @implementation
public func weir_capsule_destroy_schema(_ capsule: UnsafeMutableRawPointer?) {
  guard let memory = getPointer?(capsule, "arrow_schema") else { return }
  let schema = memory.assumingMemoryBound(to: ArrowSchema.self)
  schema.pointee.release?(schema)
  free(memory)
}

@c @implementation
public func weir_capsule_destroy_array(_ capsule: UnsafeMutableRawPointer?) {
  guard let memory = getPointer?(capsule, "arrow_array") else { return }
  let array = memory.assumingMemoryBound(to: ArrowArray.self)
  array.pointee.release?(array)
  free(memory)
}

@c @implementation
public func weir_capsule_destroy_stream(_ capsule: UnsafeMutableRawPointer?) {
  guard let memory = getPointer?(capsule, "arrow_array_stream") else { return }
  let stream = memory.assumingMemoryBound(to: ArrowArrayStream.self)
  stream.pointee.release?(stream)
  free(memory)
}
