// SPDX-License-Identifier: Apache-2.0

public import WeirStreaming

extension StreamEnvironment {
  /// The log that a stream declares: segment files, or partitions of Kafka.
  @Sendable
  public static func openDeclaredLog(
    _ request: ShardLogRequest, _ environment: StreamEnvironment
  ) throws(StreamError) -> any ShardLog {
    switch request.definition.log {
    case .segments: return try openSegmentLog(request, environment)
    case .kafka(let source):
      let options = KafkaLogOptions(source, now: { environment.nowMicroseconds })
      do throws(StreamError) {
        return try KafkaLog(options, request)
      } catch {
        throw error.adding(stream: "\(request.definition.table)", shard: request.shard)
      }
    }
  }
}
