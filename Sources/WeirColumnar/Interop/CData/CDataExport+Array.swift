// SPDX-License-Identifier: Apache-2.0

package import CWeirKernels

extension CDataExport {
  /// Writes `array`; its memory stays alive until the consumer releases the struct.
  package static func export(
    _ array: ArrayData, to target: UnsafeMutablePointer<ArrowArray>
  ) {
    ExportedArray.make(array, at: target)
  }

  /// Writes `batch` as one struct array.
  package static func export(
    _ batch: RecordBatch, to target: UnsafeMutablePointer<ArrowArray>
  ) {
    ExportedArray.make(batch.structArray, at: target)
  }
}

/// The memory behind one exported `ArrowArray`: the array itself, which keeps its buffers alive, and
/// the lists of pointers. Each level has its own, as in `ExportedSchema`.
///
/// Safe: as `ExportedSchema`; the buffers' memory lives as long as `array`.
private final class ExportedArray {
  private let array: ArrayData
  private let buffers: UnsafeMutableBufferPointer<UnsafeRawPointer?>
  private let children: UnsafeMutableBufferPointer<UnsafeMutablePointer<ArrowArray>?>
  private let dictionary: UnsafeMutablePointer<ArrowArray>?

  private init(_ array: ArrayData) {
    self.array = array
    let hasValidity = array.type != .null
    buffers = .allocate(capacity: array.buffers.count + (hasValidity ? 1 : 0))
    if hasValidity { buffers.initializeElement(at: 0, to: array.validity?.base) }
    for (index, buffer) in array.buffers.enumerated() {
      buffers.initializeElement(at: index + 1, to: buffer.base)
    }
    children = .allocate(capacity: array.children.count)
    for (index, child) in array.children.enumerated() {
      let target = UnsafeMutablePointer<ArrowArray>.allocate(capacity: 1)
      Self.make(child, at: target)
      children.initializeElement(at: index, to: target)
    }
    dictionary = array.dictionary.map {
      let target = UnsafeMutablePointer<ArrowArray>.allocate(capacity: 1)
      Self.make($0, at: target)
      return target
    }
  }

  deinit {
    for case let child? in children + [dictionary] {
      if let release = child.pointee.release { release(child) }
      child.deallocate()
    }
    children.deallocate()
    buffers.deallocate()
  }

  static func make(_ array: ArrayData, at target: UnsafeMutablePointer<ArrowArray>) {
    let owner = ExportedArray(array)
    target.initialize(
      to: ArrowArray(
        length: Int64(array.length), null_count: Int64(array.nullCount),
        // An empty array may have empty buffers whatever its offset; a consumer would look into them.
        offset: array.length == 0 ? 0 : Int64(array.offset),
        n_buffers: Int64(owner.buffers.count), n_children: Int64(owner.children.count),
        buffers: owner.buffers.isEmpty ? nil : owner.buffers.baseAddress,
        children: owner.children.isEmpty ? nil : owner.children.baseAddress,
        dictionary: owner.dictionary, release: releaseArray,
        private_data: Unmanaged.passRetained(owner).toOpaque()))
  }
}

private func releaseArray(_ array: UnsafeMutablePointer<ArrowArray>?) {
  guard let array, array.pointee.release != nil, let owner = array.pointee.private_data else {
    return
  }
  array.pointee.release = nil
  array.pointee.private_data = nil
  Unmanaged<ExportedArray>.fromOpaque(owner).release()
}
