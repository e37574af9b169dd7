// SPDX-License-Identifier: Apache-2.0

internal import CRdKafka
internal import Synchronization
internal import WeirColumnar
internal import WeirStreaming

/// A message as it is in a partition.
struct KafkaMessage {
  var offset: Int64
  /// Milliseconds since 1970: what the producer or the broker says; -1 when nobody does.
  var timestamp: Int64
  /// `nil` for one without a value, which stands for a deletion in compacted topics.
  var payload: Buffer?
  /// The last ones of each name.
  var headers: [String: String]
}

/// What a reader finds next.
enum KafkaEvent {
  case message(KafkaMessage)
  /// All messages below this offset were there to be read.
  case end(Int64)
}

/// Reads messages of one partition in order, without a consumer group. One thread at a time.
// Safe: the queue and the buffer of pointers are used by one thread at a time.
final class KafkaReader: @unchecked Sendable {
  private let handle: KafkaHandle
  private let partition: Int
  private let queue: OpaquePointer
  private let found: UnsafeMutablePointer<UnsafeMutablePointer<rd_kafka_message_t>?>
  /// Messages that one poll brings at most.
  private static let batchCount = 1_000
  private static let headerCountMax = 64

  /// Reads from the message `offset` on.
  ///
  /// - Parameter onMore: called on any thread when messages came after there were none.
  init(
    _ options: KafkaLogOptions, partition: Int, from offset: Int64,
    onMore: @escaping @Sendable () -> Void
  ) throws(StreamError) {
    handle = try KafkaHandle(RD_KAFKA_CONSUMER, options.readerSettings(), options.source)
    self.partition = partition
    queue = rd_kafka_queue_new(handle.pointer)
    found = .allocate(capacity: Self.batchCount)
    found.initialize(repeating: nil, count: Self.batchCount)
    handle.notes.onMore.withLock { $0 = onMore }
    // Safe: `notes` lives as long as the handle, which this object owns.
    rd_kafka_queue_cb_event_enable(
      queue,
      { _, opaque in
        let notes = Unmanaged<KafkaHandle.Notes>.fromOpaque(opaque!).takeUnretainedValue()
        notes.onMore.withLock { $0 }?()
      }, Unmanaged.passUnretained(handle.notes).toOpaque())
    let code = rd_kafka_consume_start_queue(handle.topic, Int32(partition), offset, queue)
    guard code == 0 else {
      throw handle.error(
        .storage, "the partition cannot be read", rd_kafka_last_error(), partition: partition)
    }
  }

  deinit {
    rd_kafka_queue_cb_event_enable(queue, nil, nil)
    _ = rd_kafka_consume_stop(handle.topic, Int32(partition))
    rd_kafka_queue_destroy(queue)
    found.deallocate()
  }

  /// What came; empty when nothing did within the time.
  ///
  /// - Throws: `notFound` when the partition does not have the message to go on with (any more).
  ///   Brokers that cannot be reached are waited for.
  func poll(waitMilliseconds: Int) throws(StreamError) -> [KafkaEvent] {
    // One call waits for a whole batch; what has come is taken at once.
    var count = rd_kafka_consume_batch_queue(queue, 0, found, Self.batchCount)
    var waited = 0
    while count == 0, waited < waitMilliseconds {
      count = rd_kafka_consume_batch_queue(queue, 2, found, Self.batchCount)
      waited += 2
    }
    _ = rd_kafka_poll(handle.pointer, 0)
    guard count > 0 else { return [] }
    var events: [KafkaEvent] = []
    events.reserveCapacity(count)
    var failure: rd_kafka_resp_err_t?
    for index in 0..<count {
      guard let pointer = found[index] else { continue }
      defer { rd_kafka_message_destroy(pointer) }
      let message = pointer.pointee
      switch message.err {
      case RD_KAFKA_RESP_ERR_NO_ERROR:
        if failure == nil { events.append(.message(Self.message(pointer))) }
      case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        if failure == nil { events.append(.end(message.offset)) }
      case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET, RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
        failure = message.err
      case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
        RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, RD_KAFKA_RESP_ERR__BAD_MSG:
        failure = message.err
      default:
        // Connections come back by themselves.
        handle.notes.lastError.withLock { $0 = KafkaHandle.name(message.err) }
      }
    }
    guard events.isEmpty, let failure else { return events }
    if failure == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET
      || failure == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE
    {
      throw handle.error(.notFound, "the message to go on with is gone", nil, partition: partition)
    }
    throw handle.error(
      .storage, "the partition cannot be read; look at the rights and limits of the service",
      failure, partition: partition)
  }

  private static func message(
    _ pointer: UnsafeMutablePointer<rd_kafka_message_t>
  ) -> KafkaMessage {
    let message = pointer.pointee
    // Safe: librdkafka says how long the payload is; it is copied before the message goes.
    let payload = message.payload.map {
      Buffer(copying: UnsafeRawBufferPointer(start: $0, count: message.len))
    }
    return KafkaMessage(
      offset: message.offset, timestamp: rd_kafka_message_timestamp(pointer, nil),
      payload: payload, headers: headers(pointer))
  }

  private static func headers(
    _ pointer: UnsafeMutablePointer<rd_kafka_message_t>
  ) -> [String: String] {
    var list: OpaquePointer?
    guard rd_kafka_message_headers(pointer, &list) == RD_KAFKA_RESP_ERR_NO_ERROR, let list else {
      return [:]
    }
    var result: [String: String] = [:]
    for index in 0..<min(rd_kafka_header_cnt(list), headerCountMax) {
      var (name, value): (UnsafePointer<CChar>?, UnsafeRawPointer?) = (nil, nil)
      var size = 0
      guard
        rd_kafka_header_get_all(list, index, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR,
        let name, let value, size <= 1_024
      else { continue }
      let bytes = UnsafeRawBufferPointer(start: value, count: size)
      result[String(cString: name)] = String(decoding: bytes, as: UTF8.self)
    }
    return result
  }
}
