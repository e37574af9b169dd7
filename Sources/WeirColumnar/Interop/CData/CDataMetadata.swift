// SPDX-License-Identifier: Apache-2.0

/// The C data interface's packing of key-value pairs: a count, then per pair the key and the value,
/// each behind its length; all numbers int32 in the machine's byte order.
enum CDataMetadata {
  /// `nil` when there is nothing to say.
  static func encode(_ metadata: Metadata) -> [CChar]? {
    guard !metadata.isEmpty else { return nil }
    var bytes: [CChar] = []
    func append(_ number: Int) {
      withUnsafeBytes(of: Int32(number)) {
        bytes.append(contentsOf: $0.map { CChar(bitPattern: $0) })
      }
    }
    append(metadata.entries.count)
    for entry in metadata.entries {
      for text in [entry.key, entry.value] {
        append(text.utf8.count)
        bytes.append(contentsOf: text.utf8.map { CChar(bitPattern: $0) })
      }
    }
    return bytes
  }

  /// Reads what `encode` writes; bytes that are not UTF-8 become replacement characters.
  ///
  /// Safe: the C data interface gives no size, so the producer's counts must be right; only negative
  /// ones can be caught.
  static func decode(_ base: UnsafePointer<CChar>?) throws(ColumnarError) -> Metadata {
    guard let base else { return Metadata() }
    let bytes = UnsafeRawPointer(base)
    var position = 0
    func number() throws(ColumnarError) -> Int {
      let value = bytes.loadUnaligned(fromByteOffset: position, as: Int32.self)
      position += 4
      guard value >= 0 else { throw ColumnarError(.invalidData, "a metadata length is \(value)") }
      return Int(value)
    }
    func text() throws(ColumnarError) -> String {
      let count = try number()
      defer { position += count }
      return String(
        decoding: UnsafeRawBufferPointer(start: bytes + position, count: count), as: UTF8.self)
    }
    var metadata = Metadata()
    for _ in 0..<(try number()) {
      let key = try text()
      metadata.entries.append(Metadata.Entry(key: key, value: try text()))
    }
    return metadata
  }
}
