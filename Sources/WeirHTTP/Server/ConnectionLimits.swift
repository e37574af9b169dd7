// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
internal import NIOCore
internal import NIOHTTPTypes

/// Bounds what one connection may cost: a request must arrive within a time and a number of bytes,
/// else the connection closes; a client that does not take its answer for a time is cut off; and the
/// connection closes behind an answer that says so. When that answer comes before the request's end,
/// what still comes is passed over for a moment first: a client that is in the middle of sending would
/// else see a broken connection instead of the answer. Tells `OpenConnections` which connections wait.
///
/// The limit on bytes is beyond the one that is answered with an error, so that a client which sends
/// a little too much learns why, and one which does not stop is cut off.
final class ConnectionLimits: ChannelDuplexHandler, RemovableChannelHandler {
  typealias InboundIn = HTTPRequestPart
  typealias InboundOut = HTTPRequestPart
  typealias OutboundIn = HTTPResponsePart
  typealias OutboundOut = HTTPResponsePart

  private let requestTime: TimeAmount
  private let stallTime: TimeAmount
  private let bodyByteCountMax: Int
  private let connections: OpenConnections
  private var stall: Scheduled<Void>?
  private var bodyByteCount = 0
  private var deadline: Scheduled<Void>?
  private var closesBehindResponse = false
  /// Whether the answer was sent and the request's end has not come.
  private var isLingering = false
  private static let lingerTime = TimeAmount.seconds(2)

  /// - Parameters:
  ///   - requestTime: from a request's head to its end.
  ///   - stallTime: for which the client may take none of the bytes that wait for it.
  init(
    requestTime: TimeAmount, stallTime: TimeAmount, bodyByteCountMax: Int,
    connections: OpenConnections
  ) {
    self.requestTime = requestTime
    self.stallTime = stallTime
    self.bodyByteCountMax = bodyByteCountMax
    self.connections = connections
  }

  func handlerAdded(context: ChannelHandlerContext) {
    if context.channel.isActive { connections.opened(context.channel) }
  }

  func channelActive(context: ChannelHandlerContext) {
    connections.opened(context.channel)
    context.fireChannelActive()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head:
      bodyByteCount = 0
      let channel = context.channel
      deadline?.cancel()
      deadline = context.eventLoop.scheduleTask(in: requestTime) { channel.close(promise: nil) }
    case .body(let bytes):
      bodyByteCount += bytes.readableBytes
      if bodyByteCount > bodyByteCountMax {
        context.close(promise: nil)
        return
      }
      if isLingering {
        context.read()
        return
      }
    case .end:
      deadline?.cancel()
      deadline = nil
      if isLingering {
        context.close(promise: nil)
        return
      }
      connections.works(context.channel)
    }
    context.fireChannelRead(data)
  }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    switch unwrapOutboundIn(data) {
    case .head(let head):
      closesBehindResponse = head.headerFields[.connection]?.lowercased() == "close"
      context.write(data, promise: promise)
    case .body:
      context.write(data, promise: promise)
    case .end:
      connections.waits(context.channel)
      if closesBehindResponse {
        context.writeAndFlush(data, promise: promise)
        closeBehindResponse(context)
      } else {
        context.write(data, promise: promise)
      }
    }
  }

  private func closeBehindResponse(_ context: ChannelHandlerContext) {
    guard deadline != nil else {
      context.close(promise: nil)
      return
    }
    isLingering = true
    let channel = context.channel
    deadline?.cancel()
    deadline = context.eventLoop.scheduleTask(in: Self.lingerTime) { channel.close(promise: nil) }
    context.read()
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    stall?.cancel()
    stall = nil
    if !context.channel.isWritable {
      let channel = context.channel
      stall = context.eventLoop.scheduleTask(in: stallTime) { channel.close(promise: nil) }
    }
    context.fireChannelWritabilityChanged()
  }

  func channelInactive(context: ChannelHandlerContext) {
    cancelTimers()
    connections.closed(context.channel)
    context.fireChannelInactive()
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    cancelTimers()
    connections.closed(context.channel)
  }

  private func cancelTimers() {
    deadline?.cancel()
    deadline = nil
    stall?.cancel()
    stall = nil
  }
}
