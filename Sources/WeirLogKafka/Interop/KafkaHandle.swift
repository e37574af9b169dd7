// SPDX-License-Identifier: Apache-2.0

internal import CRdKafka
internal import Synchronization
internal import WeirColumnar
internal import WeirStreaming

/// A client of librdkafka, with what is common to producers and readers.
// Safe: librdkafka's handles may be used by any thread; they are destroyed once, with this object.
final class KafkaHandle: @unchecked Sendable {
  /// What callbacks of librdkafka's threads leave.
  final class Notes: Sendable {
    let lastError = Mutex<String?>(nil)
    let onMore = Mutex<(@Sendable () -> Void)?>(nil)
    let deliveries = Mutex(KafkaDeliveries())
  }

  let pointer: OpaquePointer
  let topic: OpaquePointer
  let notes = Notes()
  let topicName: String
  let brokers: String

  init(
    _ type: rd_kafka_type_t, _ settings: [(String, String)], _ source: KafkaSource
  ) throws(StreamError) {
    topicName = source.topic
    brokers = source.brokers
    guard let configuration = rd_kafka_conf_new() else {
      throw StreamError(.overloaded, "there is no memory for a client of Kafka")
    }
    var text = [CChar](repeating: 0, count: 512)
    for (name, value) in settings {
      let code = rd_kafka_conf_set(configuration, name, value, &text, text.count)
      guard code != RD_KAFKA_CONF_OK else { continue }
      rd_kafka_conf_destroy(configuration)
      // Neither the value nor librdkafka's words, which repeat it: it may be a secret.
      throw StreamError(
        .invalidArgument,
        code == RD_KAFKA_CONF_UNKNOWN
          ? "librdkafka has no setting '\(name)'" : "the setting '\(name)' of Kafka is not valid")
    }
    // Safe: `notes` lives as long as this object, which destroys the client before it goes.
    rd_kafka_conf_set_opaque(configuration, Unmanaged.passUnretained(notes).toOpaque())
    rd_kafka_conf_set_log_cb(configuration, nil)
    rd_kafka_conf_set_error_cb(configuration) { _, code, reason, opaque in
      let notes = Unmanaged<Notes>.fromOpaque(opaque!).takeUnretainedValue()
      let reason = reason.map { String(cString: $0) } ?? KafkaHandle.name(code)
      notes.lastError.withLock { $0 = reason }
    }
    if type == RD_KAFKA_PRODUCER {
      rd_kafka_conf_set_dr_msg_cb(configuration) { _, message, opaque in
        let notes = Unmanaged<Notes>.fromOpaque(opaque!).takeUnretainedValue()
        let message = message!.pointee
        let index = Int(bitPattern: message._private) - 1
        notes.deliveries.withLock {
          $0.note(
            index, offset: message.offset,
            error: message.err == RD_KAFKA_RESP_ERR_NO_ERROR ? nil : message.err)
        }
      }
    }
    guard let pointer = rd_kafka_new(type, configuration, &text, text.count) else {
      rd_kafka_conf_destroy(configuration)
      throw StreamError(
        .invalidArgument, "a client of Kafka cannot be made", cause: Self.string(text))
    }
    guard let topic = rd_kafka_topic_new(pointer, source.topic, nil) else {
      rd_kafka_destroy(pointer)
      throw StreamError(
        .invalidArgument, "'\(source.topic)' cannot be the name of a topic",
        cause: Self.name(rd_kafka_last_error()))
    }
    self.pointer = pointer
    self.topic = topic
  }

  deinit {
    rd_kafka_topic_destroy(topic)
    rd_kafka_destroy(pointer)
  }

  static func string(_ text: [CChar]) -> String {
    String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// The error in librdkafka's words.
  static func name(_ code: rd_kafka_resp_err_t) -> String {
    String(cString: rd_kafka_err2str(code))
  }
  static func name(_ code: Int32) -> String { name(rd_kafka_resp_err_t(code)) }

  /// An error about a partition, or the topic, with what is known of why.
  func error(
    _ code: StreamError.Code, _ message: String, _ cause: rd_kafka_resp_err_t?,
    partition: Int? = nil
  ) -> StreamError {
    let place =
      "topic '\(topicName)'" + (partition.map { ", partition \($0)" } ?? "")
      + " of Kafka at \(brokers): "
    let last = notes.lastError.withLock { $0 }
    let causes = [cause.map { Self.name($0) }, last].compactMap { $0 }
    return StreamError(
      code, place + message, cause: causes.isEmpty ? nil : causes.joined(separator: "; "))
  }

  // MARK: Questions

  /// How many partitions the topic has.
  func partitionCount(waitMilliseconds: Int) throws(StreamError) -> Int {
    var answer: UnsafePointer<rd_kafka_metadata_t>?
    let code = rd_kafka_metadata(pointer, 0, topic, &answer, Int32(waitMilliseconds))
    _ = rd_kafka_poll(pointer, 0)
    guard code == RD_KAFKA_RESP_ERR_NO_ERROR, let answer else {
      throw error(
        .storage, "the brokers do not answer; start them, or correct the stream's 'brokers'", code)
    }
    defer { rd_kafka_metadata_destroy(answer) }
    guard answer.pointee.topic_cnt > 0 else { return 0 }
    let found = answer.pointee.topics[0]
    guard found.err == RD_KAFKA_RESP_ERR_NO_ERROR else {
      if found.err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART { return 0 }
      throw error(.storage, "the topic cannot be used", found.err)
    }
    return Int(found.partition_cnt)
  }

  /// The first message that the partition keeps, and where the next one goes.
  func watermarks(
    _ partition: Int, waitMilliseconds: Int
  ) throws(StreamError) -> Range<Int64> {
    var (low, high): (Int64, Int64) = (0, 0)
    let code = rd_kafka_query_watermark_offsets(
      pointer, topicName, Int32(partition), &low, &high, Int32(waitMilliseconds))
    _ = rd_kafka_poll(pointer, 0)
    guard code == RD_KAFKA_RESP_ERR_NO_ERROR else {
      throw error(
        .storage, "the brokers do not say which messages there are; they may be starting", code,
        partition: partition)
    }
    guard low >= 0, high >= low, high < KafkaOffset.messageMax else {
      throw error(
        .unsupported, "offsets from \(low) to \(high) are beyond those that rows can have", nil,
        partition: partition)
    }
    return low..<high
  }

  /// The cluster's id, where it has one.
  func clusterID(waitMilliseconds: Int) -> String? {
    guard let text = rd_kafka_clusterid(pointer, Int32(waitMilliseconds)) else { return nil }
    defer { rd_kafka_mem_free(pointer, text) }
    let id = String(cString: text)
    return id.isEmpty ? nil : id
  }
}

/// What became of the messages of one append.
struct KafkaDeliveries {
  private(set) var offsets: [Int64] = []
  private(set) var waiting = 0
  private(set) var firstError: rd_kafka_resp_err_t?

  mutating func begin(_ count: Int) {
    offsets = Array(repeating: -1, count: count)
    waiting = count
    firstError = nil
  }

  mutating func note(_ index: Int, offset: Int64, error: rd_kafka_resp_err_t?) {
    guard offsets.indices.contains(index) else { return }
    offsets[index] = offset
    waiting -= 1
    if firstError == nil { firstError = error }
  }

  /// One that never came into the queue.
  mutating func fail(_ index: Int, _ error: rd_kafka_resp_err_t) {
    note(index, offset: -1, error: error)
  }
}
