// SPDX-License-Identifier: Apache-2.0

internal import Glibc
public import WeirColumnar
public import WeirStorage

/// What `dev/fuzz` says to the suites.
public enum FuzzSettings {
  private static func variable(_ name: String) -> String? {
    getenv(name).map { String(cString: $0) }
  }

  /// Seconds for a suite; few in ordinary test runs.
  public static let seconds = variable("WEIR_FUZZ_SECONDS").flatMap(Double.init)
  public static let seed = variable("WEIR_FUZZ_SEED").flatMap { UInt64($0) }
  /// A folder for inputs that fail.
  public static let folder = variable("WEIR_FUZZ_FOLDER")
  /// One input to be tried alone.
  public static let input = variable("WEIR_FUZZ_INPUT")
}

/// Keeps the input that is being tried in a file, so that it is there after a crash.
public final class InputKeeper {
  private let descriptor: Int32

  /// - Parameter name: `current-NAME` in the folder.
  public init(_ name: String) {
    guard let folder = FuzzSettings.folder else {
      descriptor = -1
      return
    }
    descriptor = open("\(folder)/current-\(name)", O_RDWR | O_CREAT | O_TRUNC, 0o644)
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  public func keep(_ bytes: [UInt8]) {
    guard descriptor >= 0 else { return }
    ftruncate(descriptor, 0)
    // Safe: the array's own bytes.
    bytes.withUnsafeBytes { _ = pwrite(descriptor, $0.baseAddress, $0.count, 0) }
  }

  /// Keeps it under a name of its own; returns the path.
  public func save(_ bytes: [UInt8], _ reason: String) -> String? {
    guard let folder = FuzzSettings.folder else { return nil }
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    let path = "\(folder)/\(reason)-\(String(hash, radix: 16))"
    let file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    guard file >= 0 else { return nil }
    // Safe: the array's own bytes.
    bytes.withUnsafeBytes { _ = write(file, $0.baseAddress, $0.count) }
    close(file)
    return path
  }
}

/// The bytes in an allocation of exactly their number: address sanitizer then sees every read beyond them.
public func exactBuffer(_ bytes: ArraySlice<UInt8>) -> Buffer {
  guard !bytes.isEmpty, let memory = malloc(bytes.count) else { return Buffer() }
  // Safe: both sides hold bytes.count bytes.
  bytes.withUnsafeBytes { memory.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
  let address = UInt(bitPattern: memory)
  return Buffer(foreign: memory, count: bytes.count) {
    free(UnsafeMutableRawPointer(bitPattern: address))
  }
}

/// An object in memory whose reads have exactly the bytes asked for (`exactBuffer`).
public struct ExactReader: ObjectReader {
  public let name: String
  public let bytes: [UInt8]
  public var size: Int { bytes.count }

  public init(name: String, bytes: [UInt8]) {
    self.name = name
    self.bytes = bytes
  }

  public func read(_ range: Range<Int>) throws(StorageError) -> Buffer {
    guard range.lowerBound >= 0, range.upperBound <= bytes.count else {
      throw StorageError(
        .invalidRange, operation: "read", path: name, "range \(range) of \(bytes.count) bytes")
    }
    return exactBuffer(bytes[range])
  }
}

/// The largest size that this process had so far, in bytes.
public func peakMemory() -> Int {
  var usage = rusage()
  // 0 is RUSAGE_SELF, whose imported type does not fit.
  getrusage(__rusage_who_t(0), &usage)
  return Int(usage.ru_maxrss) * 1024
}
