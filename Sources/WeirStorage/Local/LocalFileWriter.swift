// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Writes a file under a temporary name in the folder of its final one.
///
/// 1. `append` collects small pieces and writes them to the temporary file, which goes to the disk as it
///    grows.
/// 2. `finish` writes the rest, sets the time of modification (see `LocalObjectStore`), syncs the
///    file, and hands its temporary path to `publish`, which gives it its final name and syncs the
///    folder.
/// 3. Any failure, `abort`, or dropping the writer removes the temporary file; a killed process
///    leaves it under its recognisable name.
final class LocalFileWriter: ObjectWriter {
  /// Small pieces are collected up to this size, larger ones are written as they are.
  static let collectedBytesMax = 256 << 10

  private enum State {
    case open(Int32)
    case done
  }

  /// Gives the temporary file its final name. Gets the open file, its path and status, and returns
  /// the status, which it may have changed.
  typealias Publish = (Int32, String, FileStatus) throws(StorageError) -> FileStatus

  private let name: String
  private let temporaryPath: String
  private let syncs: Bool
  private let publish: Publish
  private let collected = MutableBuffer()
  private var state: State
  private(set) var byteCount = 0
  /// Bytes in the file.
  private var writtenCount = 0
  private var behind = WriteBehind()

  /// - Parameters:
  ///   - temporaryPath: of the file, which must be open and empty.
  ///   - name: the object's, for messages and metadata.
  init(
    file: Int32, temporaryPath: String, name: String, syncs: Bool, publish: @escaping Publish
  ) {
    self.state = .open(file)
    self.temporaryPath = temporaryPath
    self.name = name
    self.syncs = syncs
    self.publish = publish
  }

  deinit { abort() }

  func append(_ bytes: Buffer) throws(StorageError) {
    guard case .open(let file) = state else { throw .writerIsDone(name, operation: "append") }
    byteCount += bytes.count
    if collected.count + bytes.count <= Self.collectedBytesMax {
      collected.append(bytes)
      return
    }
    try failing("append") { () throws(SystemError) in
      try flush(file)
      if bytes.count <= Self.collectedBytesMax / 2 {
        collected.append(bytes)
      } else {
        try write(bytes, file)
      }
    }
  }

  func finish() throws(StorageError) -> ObjectMetadata {
    guard case .open(let file) = state else { throw .writerIsDone(name, operation: "finish") }
    var status: FileStatus?
    try failing("finish") { () throws(SystemError) in
      try flush(file)
      // The kernel's own time of modification only counts in steps of some milliseconds.
      try SystemCalls.setModified(file, SystemTime.now())
      if syncs { try SystemCalls.sync(file) }
      status = try SystemCalls.status(of: file)
    }
    let published: FileStatus
    do {
      published = try publish(file, temporaryPath, status!)
    } catch {
      abort()
      throw error
    }
    state = .done
    SystemCalls.close(file)
    return ObjectMetadata(path: name, published)
  }

  func abort() {
    guard case .open(let file) = state else { return }
    state = .done
    SystemCalls.close(file)
    // A file that stays behind has a name that is recognised.
    try? SystemCalls.unlink(temporaryPath)
  }

  private func flush(_ file: Int32) throws(SystemError) {
    guard collected.count > 0 else { return }
    try write(collected.finish(), file)
  }

  private func write(_ bytes: Buffer, _ file: Int32) throws(SystemError) {
    for start in stride(from: 0, to: bytes.count, by: WriteBehind.stepBytes) {
      let step = bytes.slice(
        offset: start, count: min(WriteBehind.stepBytes, bytes.count - start))
      try step.withUnsafeBytes { step throws(SystemError) in try SystemCalls.write(file, step) }
      writtenCount += step.count
      if syncs, let number = behind.advance(file, to: writtenCount) { throw SystemError(number) }
    }
  }

  private func failing(
    _ operation: String, _ body: () throws(SystemError) -> Void
  ) throws(StorageError) {
    do {
      try body()
    } catch {
      abort()
      throw StorageError(error, operation: operation, path: name)
    }
  }
}
