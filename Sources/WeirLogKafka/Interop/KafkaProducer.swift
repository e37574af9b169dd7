// SPDX-License-Identifier: Apache-2.0

internal import CRdKafka
internal import Synchronization
internal import WeirColumnar
internal import WeirStreaming

/// A message on its way into a partition.
struct OutgoingMessage {
  var payload: Buffer
  var headers: [(name: String, value: String)]
  /// Milliseconds since 1970.
  var timestamp: Int64
}

/// Writes messages to one partition, each once and in order. One thread at a time.
final class KafkaProducer: Sendable {
  let handle: KafkaHandle
  private let partition: Int
  /// The longest wait for a delivery report beyond the time that a message has.
  private static let graceMilliseconds = 30_000
  private let deliveryMilliseconds: Int

  init(_ options: KafkaLogOptions, partition: Int) throws(StreamError) {
    handle = try KafkaHandle(RD_KAFKA_PRODUCER, options.producerSettings(), options.source)
    self.partition = partition
    deliveryMilliseconds = options.deliveryMilliseconds
  }

  /// - Returns: the offsets of the messages, which all replicas that must have them have.
  /// - Throws: `storage` when that is not known of all of them.
  func send(_ messages: [OutgoingMessage]) throws(StreamError) -> [Int64] {
    handle.notes.deliveries.withLock { $0.begin(messages.count) }
    for (index, message) in messages.enumerated() {
      try put(message, index)
      // What comes behind one that is lost would be out of order.
      if handle.notes.deliveries.withLock({ $0.firstError }) != nil { break }
    }
    var waited = 0
    while true {
      let (waiting, failure) = handle.notes.deliveries.withLock { ($0.waiting, $0.firstError) }
      if let failure { throw failed(failure) }
      if waiting == 0 { break }
      guard waited < deliveryMilliseconds + Self.graceMilliseconds else {
        throw failed(RD_KAFKA_RESP_ERR__TIMED_OUT)
      }
      _ = rd_kafka_poll(handle.pointer, 100)
      waited += 100
    }
    return handle.notes.deliveries.withLock { $0.offsets }
  }

  private func failed(_ code: rd_kafka_resp_err_t) -> StreamError {
    let remedy =
      switch code {
      case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
        "the broker takes no messages of this size; raise its 'message.max.bytes' and the topic's "
          + "'max.message.bytes'"
      case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        "the service may not write the topic; allow it to"
      default:
        "no receipt came within \(deliveryMilliseconds) ms, and whether the rows are there is not "
          + "known; send them again, with the same stamp if they had one"
      }
    return handle.error(.storage, remedy, code, partition: partition)
  }

  private func put(_ message: OutgoingMessage, _ index: Int) throws(StreamError) {
    while true {
      let headers = rd_kafka_headers_new(message.headers.count)
      for (name, value) in message.headers {
        var value = value
        _ = value.withUTF8 { rd_kafka_header_add(headers, name, -1, $0.baseAddress, $0.count) }
      }
      // Safe: the payload is copied during the call; the opaque pointer is a number.
      let code = message.payload.withUnsafeBytes { bytes in
        crdkafka_produce(
          handle.pointer, handle.topicName, Int32(partition), bytes.baseAddress, bytes.count,
          message.timestamp, headers, UnsafeMutableRawPointer(bitPattern: index + 1))
      }
      if code == 0 { return }
      rd_kafka_headers_destroy(headers)
      let error = rd_kafka_resp_err_t(rawValue: code)
      guard error == RD_KAFKA_RESP_ERR__QUEUE_FULL else {
        if index == 0 {
          throw handle.error(
            .invalidArgument, "a message was refused", error, partition: partition)
        }
        return handle.notes.deliveries.withLock { $0.fail(index, error) }
      }
      _ = rd_kafka_poll(handle.pointer, 100)
    }
  }
}
