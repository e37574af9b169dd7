// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStreaming
internal import WeirTable
internal import Yams

/// Reads what is declared about a stream's log.
struct LogReader {
  let problems: ProblemList

  func read(_ section: Section, _ definition: inout StreamDefinition) {
    if let node = section["kafka"] {
      for name in ["retention", "bytes"] where section[name] != nil {
        problems.add(
          section.mark(of: name), "what a topic of Kafka keeps is not said here",
          "take '\(name)' out, and set the topic's retention.ms and retention.bytes")
      }
      guard let kafka = Section(node, "'kafka'", keys: ProjectKeys.kafka, problems),
        let source = source(kafka, section.mark(of: "kafka"))
      else { return }
      definition.log = .kafka(source)
      return
    }
    if let retention = section.duration("retention", in: 0...(366 * 86_400_000)) {
      definition.logRetentionSeconds = (retention + 999) / 1_000
    }
    if let bytes = section.size("bytes", in: (1 << 20)...(1 << 44)) {
      definition.logBytesMax = bytes
    }
    if definition.logBytesMax < Int64(definition.flush.bytes) {
      problems.add(
        section.mark(of: "bytes") ?? section.mark,
        "the log keeps \(definition.logBytesMax) bytes of a shard, and \(definition.flush.bytes) "
          + "may wait for the table", "give the log more, or flush.bytes less")
    }
  }

  private func source(_ section: Section, _ place: Mark?) -> KafkaSource? {
    var brokers: [String] = []
    for (name, mark) in section.names("brokers") {
      let port = name.split(separator: ":").last.flatMap { Int($0) } ?? 0
      if !name.contains(":") || name.contains(",") || !(1...65_535).contains(port) {
        problems.add(mark, "'\(name)' is no address of a broker", "write host:9092")
      }
      brokers.append(name)
    }
    if brokers.isEmpty {
      problems.add(place, "'kafka' names no brokers", "add 'brokers: [host:9092]'")
    }
    guard let topic = section.text("topic") else {
      problems.add(place, "'kafka' names no topic", "add 'topic'")
      return nil
    }
    let isName = topic.utf8.allSatisfy {
      $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "-")
        || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
        || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0 | 0x20)
    }
    if !isName || !(1...249).contains(topic.utf8.count) {
      problems.add(
        section["topic"]?.mark, "'\(topic)' cannot be the name of a topic",
        "names have 1 to 249 letters, digits, dots, underscores and hyphens")
    }
    var source = KafkaSource(brokers: brokers.joined(separator: ","), topic: topic)
    if let word = section.text("unknown_fields") {
      if let known = JSONLinesOptions.UnknownFields(rawValue: word) {
        source.unknownFields = known
      } else {
        problems.add(
          section["unknown_fields"]?.mark, "'unknown_fields' cannot be '\(word)'",
          "write error or ignore")
      }
    }
    if let word = section.text("timestamp_unit") {
      if let unit = TimeUnit(rawValue: word) {
        source.timestampUnit = unit
      } else {
        problems.add(
          section["timestamp_unit"]?.mark, "there is no unit '\(word)'", "write s, ms, us or ns")
      }
    }
    readOptions(section, &source)
    return source
  }

  private func readOptions(_ section: Section, _ source: inout KafkaSource) {
    guard let node = section["options"] else { return }
    guard case .mapping(let mapping) = node else {
      problems.add(node.mark, "'options' must be a mapping, is \(node.kind)")
      return
    }
    for (key, value) in mapping where problems.countPart(key.mark) {
      guard let name = key.text, let text = value.text else {
        problems.add(value.mark, "an option is \(value.kind)", "write text")
        continue
      }
      if KafkaSource.ownSettings.contains(name) {
        problems.add(key.mark, "the option '\(name)' is set by Weir itself", "take it out")
      }
      source.settings[name] = text
    }
  }
}
