// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import WeirColumnar
internal import WeirStorage

/// What `dev/fuzz` says to the suites.
enum FuzzSettings {
  private static let environment = ProcessInfo.processInfo.environment
  /// Seconds for a suite; few in ordinary test runs.
  static let seconds = environment["WEIR_FUZZ_SECONDS"].flatMap(Double.init)
  static let seed = environment["WEIR_FUZZ_SEED"].flatMap(UInt64.init)
  /// A folder for inputs that fail.
  static let folder = environment["WEIR_FUZZ_FOLDER"]
  /// One input to be tried alone.
  static let input = environment["WEIR_FUZZ_INPUT"]
}

/// Keeps the input that is being tried in a file, so that it is there after a crash.
final class InputKeeper {
  private let descriptor: Int32

  /// - Parameter name: `current-NAME` in the folder.
  init(_ name: String) {
    guard let folder = FuzzSettings.folder else {
      descriptor = -1
      return
    }
    descriptor = open("\(folder)/current-\(name)", O_RDWR | O_CREAT | O_TRUNC, 0o644)
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  func keep(_ bytes: [UInt8]) {
    guard descriptor >= 0 else { return }
    ftruncate(descriptor, 0)
    // Safe: the array's own bytes.
    bytes.withUnsafeBytes { _ = pwrite(descriptor, $0.baseAddress, $0.count, 0) }
  }

  /// Keeps it under a name of its own; returns the path.
  func save(_ bytes: [UInt8], _ reason: String) -> String? {
    guard let folder = FuzzSettings.folder else { return nil }
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    let path = "\(folder)/\(reason)-\(String(hash, radix: 16))"
    _ = FileManager.default.createFile(atPath: path, contents: Data(bytes))
    return path
  }
}

/// An object in memory whose reads have exactly the bytes asked for, each in an allocation of its own:
/// address sanitizer then sees every read beyond them.
struct ExactReader: ObjectReader {
  let name: String
  let bytes: [UInt8]
  var size: Int { bytes.count }

  func read(_ range: Range<Int>) throws(StorageError) -> Buffer {
    guard range.lowerBound >= 0, range.upperBound <= bytes.count else {
      throw StorageError(
        .invalidRange, operation: "read", path: name, "range \(range) of \(bytes.count) bytes")
    }
    guard !range.isEmpty, let memory = malloc(range.count) else { return Buffer() }
    // Safe: both sides hold range.count bytes.
    bytes.withUnsafeBytes {
      memory.copyMemory(from: $0.baseAddress! + range.lowerBound, byteCount: range.count)
    }
    let address = UInt(bitPattern: memory)
    return Buffer(foreign: memory, count: range.count) {
      free(UnsafeMutableRawPointer(bitPattern: address))
    }
  }
}

/// The largest size that this process had so far, in bytes.
func peakMemory() -> Int {
  var usage = rusage()
  // 0 is RUSAGE_SELF, whose imported type does not fit.
  getrusage(__rusage_who_t(0), &usage)
  return Int(usage.ru_maxrss) * 1024
}

/// Files of a folder beside the repository's root.
func filesOf(folder: String) -> [(name: String, bytes: [UInt8])] {
  var root = URL(fileURLWithPath: #filePath)
  for _ in 0..<4 { root.deleteLastPathComponent() }
  let url = root.appendingPathComponent(folder)
  let names = (try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? []
  return names.sorted().filter { $0.hasSuffix(".parquet") }.compactMap { name in
    (try? Data(contentsOf: url.appendingPathComponent(name))).map { (name, [UInt8]($0)) }
  }
}
