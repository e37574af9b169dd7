// SPDX-License-Identifier: Apache-2.0

/// Where an object or a folder of objects is, in the one form that all ways to write it share.
///
/// These are read:
/// - `/data/x`, `file:/data/x`, `file:///data/x`, `file://localhost/data/x`: a local file
/// - `s3://bucket/key` (and `s3a`, `s3n`, which are the same to Iceberg's clients)
/// - `memory://name/path`, and `scheme://authority/path` of any other scheme
///
/// Locations in Iceberg's metadata are plain names, not URIs: `%2F`, `?`, `#` and spaces stand for
/// themselves. The Java and Python implementations write and open them so, a partition folder
/// `city=a%2Fb` above all, and a client that decoded them would open another file.
public struct StorageLocation: Hashable, Sendable, CustomStringConvertible {
  /// Bytes of the longest location.
  public static let byteCountMax = 4_096

  /// In lower case: `file`, `s3`, `memory`.
  public let scheme: String
  /// The bucket, or the memory store's name; empty for files.
  public let authority: String
  /// Without `/` at its start and end; empty for the whole bucket or file system. It is a valid
  /// object path or empty, so that no part of it is `..`.
  public let path: String

  /// - Parameter text: a location in one of the forms above.
  public init(_ text: String) throws(StorageError) {
    func failure(_ message: String) -> StorageError {
      StorageError(
        .invalidPath, operation: "resolve", path: String(text.unicodeScalars.prefix(200)), message)
    }
    guard text.utf8.count <= Self.byteCountMax else {
      throw failure("the location is longer than \(Self.byteCountMax) bytes")
    }
    let bytes = Array(text.utf8)
    let slash = UInt8(ascii: "/")
    var rest = bytes[...]
    if bytes.first == slash {
      scheme = "file"
      authority = ""
    } else {
      guard let colon = bytes.firstIndex(of: UInt8(ascii: ":")), Self.isScheme(bytes[..<colon]),
        colon + 1 < bytes.count, bytes[colon + 1] == slash
      else {
        throw failure(
          "a location is an absolute path such as /data/x, or scheme://place/path such as "
            + "s3://bucket/x")
      }
      scheme = Self.canonicalScheme(String(decoding: bytes[..<colon], as: UTF8.self))
      rest = bytes[(colon + 1)...]
      var host: ArraySlice<UInt8> = []
      if rest.starts(with: [slash, slash]) {
        rest = rest.dropFirst(2)
        host = rest.prefix { $0 != slash }
        rest = rest.dropFirst(host.count)
      }
      let name = String(decoding: host, as: UTF8.self)
      if scheme == "file" {
        guard host.isEmpty || name == "localhost" else {
          throw failure(
            "a file's location names the machine '\(name)'; write file:///folder/file")
        }
        authority = ""
      } else {
        guard !host.isEmpty, ObjectPath.segmentFault(host) == nil else {
          throw failure("the location names no bucket; write \(scheme)://bucket/path")
        }
        authority = name
      }
    }
    if rest.first == slash { rest = rest.dropFirst() }
    if rest.last == slash { rest = rest.dropLast() }
    if scheme == "file" {
      // To a file system several slashes are one; to a bucket they are another key.
      rest = Array(rest.split(separator: slash).joined(separator: [slash]))[...]
    }
    path = String(decoding: rest, as: UTF8.self)
    if !path.isEmpty, let fault = ObjectPath.fault(in: path) {
      throw failure("its path \(fault)")
    }
  }

  init(scheme: String, authority: String, path: String) {
    self.scheme = scheme
    self.authority = authority
    self.path = path
  }

  /// `/path` for files, `scheme://authority/path` for others.
  public var description: String {
    scheme == "file" ? "/\(path)" : "\(scheme)://\(authority)/\(path)"
  }

  /// Whether this is `folder` or lies below it, by whole names: `/a/bc` is not below `/a/b`.
  public func isWithin(_ folder: StorageLocation) -> Bool {
    guard scheme == folder.scheme, authority == folder.authority else { return false }
    if folder.path.isEmpty { return true }
    let own = path.utf8
    let other = folder.path.utf8
    guard own.starts(with: other) else { return false }
    return own.count == other.count
      || own[own.index(own.startIndex, offsetBy: other.count)] == UInt8(ascii: "/")
  }

  /// The location of another path in the same place.
  public func replacing(path: String) -> StorageLocation {
    StorageLocation(scheme: scheme, authority: authority, path: path)
  }

  /// `s3a` and `s3n` are what Hadoop calls `s3`.
  static func canonicalScheme(_ scheme: String) -> String {
    let lower = scheme.lowercased()
    return lower == "s3a" || lower == "s3n" ? "s3" : lower
  }

  private static func isScheme(_ bytes: ArraySlice<UInt8>) -> Bool {
    func isLetter(_ byte: UInt8) -> Bool {
      (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
    }
    guard let first = bytes.first, isLetter(first), bytes.count <= 32 else { return false }
    return bytes.allSatisfy {
      isLetter($0) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
        || $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".")
    }
  }
}
