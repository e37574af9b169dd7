// SPDX-License-Identifier: Apache-2.0

package import CWeirKernels

#if canImport(Glibc)
  internal import Glibc
#endif

extension CDataExport {
  /// Hands `reader` over as a stream. The consumer may use it on one thread at a time, as it may a
  /// reader; the reader is let go when the stream is released.
  package static func export(
    _ reader: any RecordBatchReader, to target: UnsafeMutablePointer<ArrowArrayStream>
  ) {
    target.initialize(
      to: ArrowArrayStream(
        get_schema: { ExportedStream.of($0)?.schema($1) ?? EINVAL },
        get_next: { ExportedStream.of($0)?.next($1) ?? EINVAL },
        get_last_error: { UnsafePointer(ExportedStream.of($0)?.lastError) },
        release: releaseStream,
        private_data: Unmanaged.passRetained(ExportedStream(reader)).toOpaque()))
  }
}

private func releaseStream(_ stream: UnsafeMutablePointer<ArrowArrayStream>?) {
  guard let stream, stream.pointee.release != nil, let owner = stream.pointee.private_data else {
    return
  }
  stream.pointee.release = nil
  stream.pointee.private_data = nil
  Unmanaged<ExportedStream>.fromOpaque(owner).release()
}

/// The state behind an exported stream.
///
/// Safe: `private_data` holds one reference to it, which `release` gives back once; a consumer calls
/// nothing after that.
private final class ExportedStream {
  private let reader: any RecordBatchReader
  /// Of the last call, `nil` when it went well; freed with the next.
  private(set) var lastError: UnsafeMutablePointer<CChar>?

  init(_ reader: any RecordBatchReader) { self.reader = reader }

  deinit { free(lastError) }

  static func of(_ stream: UnsafeMutablePointer<ArrowArrayStream>?) -> ExportedStream? {
    guard let stream, stream.pointee.release != nil, let owner = stream.pointee.private_data else {
      return nil
    }
    return Unmanaged<ExportedStream>.fromOpaque(owner).takeUnretainedValue()
  }

  func schema(_ target: UnsafeMutablePointer<ArrowSchema>?) -> CInt {
    attempt {
      guard let target else { throw ColumnarError(.invalidArgument, "no schema struct was given") }
      try CDataExport.export(reader.schema, to: target)
    }
  }

  func next(_ target: UnsafeMutablePointer<ArrowArray>?) -> CInt {
    attempt {
      guard let target else { throw ColumnarError(.invalidArgument, "no array struct was given") }
      guard let batch = try reader.next() else {
        target.initialize(to: ArrowArray())  // All zero: released, the sign of the end.
        return
      }
      let types = batch.columns.lazy.map(\.type)
      guard types.elementsEqual(reader.schema.fields.lazy.map(\.type)) else {
        throw ColumnarError(.invalidData, "a batch's column types differ from the stream's schema")
      }
      CDataExport.export(batch, to: target)
    }
  }

  /// Runs one call of the consumer's and keeps its error for `get_last_error`.
  private func attempt(_ body: () throws -> Void) -> CInt {
    free(lastError)
    lastError = nil
    do {
      try body()
      return 0
    } catch {
      lastError = strdup(String(describing: error))
      switch (error as? ColumnarError)?.code {
      case .invalidArgument?: return EINVAL
      case .unsupported?: return ENOSYS
      default: return EIO
      }
    }
  }
}

/// A stream of another library, read as record batches. One thread at a time may use it.
package final class CStreamReader: RecordBatchReader {
  package let schema: Schema
  private let wire: WireType
  private var stream: ArrowArrayStream?

  /// Takes the stream over, also when an error is thrown; asks it for its schema.
  package init(_ source: UnsafeMutablePointer<ArrowArrayStream>) throws(ColumnarError) {
    guard source.pointee.release != nil else {
      throw ColumnarError(.invalidArgument, "the Arrow stream was released before it was imported")
    }
    var stream = source.pointee
    source.pointee.release = nil
    var target = ArrowSchema()
    do throws(ColumnarError) {
      let status = stream.get_schema?(&stream, &target) ?? EINVAL
      guard status == 0 else { throw Self.failure(&stream, status) }
      let imported = try CDataImport.imported(&target)
      schema = try imported.schema()
      wire = imported.wire
    } catch {
      stream.release?(&stream)
      throw error
    }
    self.stream = stream
  }

  deinit { end() }

  package func next() throws(ColumnarError) -> RecordBatch? {
    guard stream != nil else { return nil }
    var target = ArrowArray()
    let status = stream!.get_next?(&stream!, &target) ?? EINVAL
    guard status == 0 else { throw Self.failure(&stream!, status) }
    guard target.release != nil else {
      end()
      return nil
    }
    return try CDataImport.batch(try CDataImport.take(&target), wire, schema: schema)
  }

  /// Releases the stream: at its end already, since it may hold files and memory.
  private func end() {
    guard stream != nil else { return }
    stream!.release?(&stream!)
    stream = nil
  }

  private static func failure(_ stream: inout ArrowArrayStream, _ status: CInt) -> ColumnarError {
    let text = stream.get_last_error?(&stream).map { String(cString: $0) }
    return ColumnarError(
      .sourceFailed, "the Arrow stream's producer failed: \(text ?? "status \(status), no message")"
    )
  }
}
