// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Fills bloom filters from a leaf's values.
///
/// Safe: hashes the bytes of the `count` values.
enum EncodeBloom {
  /// The filter's bits for the plain encodings of `values`.
  static func filter(
    _ values: LeafValues, distinctCount: Int, falsePositiveRate: Double, byteCountMax: Int
  ) -> [UInt8] {
    let wanted = SplitBlockBloomFilter.byteCount(
      distinctCount: distinctCount, falsePositiveRate: min(max(falsePositiveRate, 1e-9), 0.999))
    var size = SplitBlockBloomFilter.blockByteCount
    while size * 2 <= min(wanted, max(byteCountMax, 32)) { size *= 2 }
    let filter = MutableBuffer(capacity: size)
    filter.appendZeros(size)
    for index in 0..<values.count {
      let bytes: UnsafeRawBufferPointer
      if case .views = values.form {
        let view = values.at(index, as: ByteView.self)[0]
        bytes = UnsafeRawBufferPointer(start: view.base, count: view.count)
      } else {
        bytes = UnsafeRawBufferPointer(
          start: values.base + index * values.stride, count: values.stride)
      }
      SplitBlockBloomFilter.insert(XXHash64.hash(bytes), into: filter)
    }
    return filter.withUnsafeBytes { Array($0) }
  }
}
