// SPDX-License-Identifier: Apache-2.0

package import WeirColumnar

extension Buffer {
  /// Parses a Thrift structure from the start of the buffer and says how many bytes it took.
  ///
  /// - Parameter position: of the buffer's first byte in the file, for errors.
  package func parseThrift<T>(
    at position: Int, _ body: (inout ThriftReader) throws(ParquetError) -> T
  ) throws(ParquetError) -> (value: T, byteCount: Int) {
    do {
      return try withUnsafeBytes { (bytes) throws(ParquetError) in
        var reader = ThriftReader(bytes)
        let value = try body(&reader)
        return (value, reader.position)
      }
    } catch {
      var moved = error
      moved.position = moved.position.map { $0 + position }
      throw moved
    }
  }
}
