// SPDX-License-Identifier: Apache-2.0

/// The rules of object paths, the same in every store.
///
/// A path is segments with `/` between them: 1 to 1,024 bytes of UTF-8 in all and 1 to 255 bytes per
/// segment; no segment is `.`, `..`, `.weir-locks` or starts with `.weir-tmp-` (Weir's own files); no
/// control characters. A path never starts or ends with `/`. Two paths are the same when their bytes are.
public enum ObjectPath {
  public static let byteCountMax = 1_024
  public static let segmentByteCountMax = 255
  /// The folder of a local store's locks, which is no object.
  static let lockFolderName = ".weir-locks"
  /// How the names of files begin that are not finished, which are no objects.
  static let temporaryPrefix = ".weir-tmp-"

  /// Throws `invalidPath` when `path` is none.
  public static func check(_ path: String, operation: String) throws(StorageError) {
    if let fault = fault(in: path) {
      throw StorageError(
        .invalidPath, operation: operation, path: printable(path), "the path \(fault)")
    }
  }

  /// Throws `invalidPath` when `prefix` can start no path. Its last segment may be a part of one.
  package static func checkPrefix(_ prefix: String) throws(StorageError) {
    let utf8 = prefix.utf8
    var fault: String?
    if let slash = utf8.lastIndex(of: UInt8(ascii: "/")) {
      fault = self.fault(in: prefix[..<slash])
    }
    if utf8.count > byteCountMax {
      fault = "is longer than \(byteCountMax) bytes"
    } else if utf8.contains(where: isControl) {
      fault = "holds a control character"
    }
    if let fault {
      throw StorageError(
        .invalidPath, operation: "list", path: printable(prefix), "the prefix \(fault)")
    }
  }

  /// What is wrong with `path`; `nil` when nothing is.
  package static func fault(in path: some StringProtocol) -> String? {
    let utf8 = path.utf8
    if utf8.isEmpty { return "is empty" }
    if utf8.count > byteCountMax { return "is longer than \(byteCountMax) bytes" }
    for segment in utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
      if segment.isEmpty { return "starts or ends with / or has two of them in a row" }
      if let fault = segmentFault(segment) { return fault }
    }
    return nil
  }

  /// What is wrong with one non-empty segment; `nil` when nothing is.
  static func segmentFault(_ segment: some Collection<UInt8>) -> String? {
    if segment.count > segmentByteCountMax {
      return "has a segment of more than \(segmentByteCountMax) bytes"
    }
    if segment.elementsEqual(".".utf8) || segment.elementsEqual("..".utf8) {
      return "has a segment . or .."
    }
    if segment.elementsEqual(lockFolderName.utf8) || segment.starts(with: temporaryPrefix.utf8) {
      return "has a segment \(lockFolderName) or \(temporaryPrefix)…, which are reserved"
    }
    if segment.contains(where: isControl) { return "holds a control character" }
    return nil
  }

  /// The path without its last segment; empty when it has only one.
  static func folder(of path: String) -> String {
    path.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(path[..<$0]) } ?? ""
  }

  private static func isControl(_ byte: UInt8) -> Bool { byte < 0x20 || byte == 0x7f }

  /// `path` fit for a message: short, and without control characters.
  private static func printable(_ path: String) -> String {
    let short = path.unicodeScalars.prefix(200).map { scalar -> Character in
      scalar.value < 0x20 || scalar.value == 0x7f ? "?" : Character(scalar)
    }
    return String(short)
  }
}

/// A path as bytes: ordered and compared as stores do it, unlike `String`.
struct PathKey: Hashable, Comparable, Sendable {
  let bytes: [UInt8]

  init(_ path: some StringProtocol) { bytes = Array(path.utf8) }
  init(bytes: [UInt8]) { self.bytes = bytes }

  static func < (a: PathKey, b: PathKey) -> Bool {
    a.bytes.lexicographicallyPrecedes(b.bytes)
  }

  func hasPrefix(_ prefix: PathKey) -> Bool { bytes.starts(with: prefix.bytes) }

  var string: String { String(decoding: bytes, as: UTF8.self) }
}
