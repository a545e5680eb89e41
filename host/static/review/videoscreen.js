// A screen that plays overlay.mp4: what was seen.
//
// Both kinds of screen have: element, seek(tick), play(rate), pause(), refresh(), close(), playing, and tell
// `moved(tick, index)` where they are, `ended()`, `wait(sentence)` and `trouble(sentence)`.
//
// A video that grows is loaded anew beside the one that plays, and takes its place when it stands at the same frame.

import { session, videoOf } from "./api.js";

const LEAD_S = 1.5; // so long before the end of what is loaded, more is loaded
const NEAR_TICKS = 40; // browsers round the times of frames to microseconds
const SLOWEST = 0.0625; // what browsers play at all
const AGAIN_MS = 1000; // a video that broke is not loaded again sooner
const SLOW_MS = 300; // later than this, a person is told that something is on its way
const UNPLAYABLE = "The video cannot be played; its frames may still be there: try Camera.";

export class VideoScreen {
  playing = false;
  #recording;
  #handlers;
  #video = null;
  #next = null; // the newer version that is being loaded
  #version = "";
  #endTick = 0;
  #rate = 1;
  #wanted = null; // where to be, once the seek under way is done
  #tick = 0;
  #closed = false;
  #slow = 0;
  #brokeMs = -Infinity;

  constructor(element, recording, handlers) {
    [this.element, this.#recording, this.#handlers] = [element, recording, handlers];
    this.#load(0);
  }

  seek(tick) {
    this.#tick = tick;
    if (this.#video.error && performance.now() - this.#brokeMs > AGAIN_MS) this.#load(tick);
    if (tick >= this.#endTick) this.#renew();
    if (tick >= this.#endTick && this.#next) {
      this.#wanted = tick; // what is loaded does not reach that far
      this.#mayBeLate();
    } else if (this.#video.seeking || this.#video.readyState < HTMLMediaElement.HAVE_METADATA) this.#wanted = tick;
    else this.#seekNow(tick);
  }

  play(rate) {
    const wasBackwards = this.playing && this.#rate < 0;
    this.#rate = rate;
    this.playing = true;
    if (rate < 0) {
      if (!wasBackwards) this.#playBackwards();
      return;
    }
    this.#video.playbackRate = Math.max(SLOWEST, rate);
    if (this.#video.paused) this.#video.play().catch(() => {}); // a browser that does not let it play leaves it paused
  }

  pause() {
    this.playing = false;
    this.#video.pause();
  }

  /** There is more to be played. */
  refresh() {
    if (this.#closed || this.#endTick >= (this.#recording.video?.end_tick ?? 0)) return;
    const atEnd = this.#tick >= this.#endTick - LEAD_S * this.#recording.hz;
    if (atEnd) this.#renew();
  }

  close() {
    this.#closed = true;
    this.#hurry();
    for (const video of [this.#video, this.#next]) if (video) discard(video);
  }

  get #source() {
    const { name, video } = this.#recording;
    return videoOf(name, video?.version);
  }

  #made() {
    const video = document.createElement("video");
    Object.assign(video, { muted: true, playsInline: true, preload: "auto", disableRemotePlayback: true });
    video.tabIndex = -1;
    video.src = this.#source;
    return video;
  }

  #load(tick) {
    this.#version = this.#recording.video?.version ?? "";
    this.#endTick = this.#recording.video?.end_tick ?? 0;
    const video = this.#made();
    this.#wanted = tick;
    this.#show(video);
  }

  /** Load what there is by now, and change over when it stands where this one stands. */
  #renew() {
    const version = this.#recording.video?.version;
    if (!version || version === this.#version || this.#next) return;
    const [video, endTick] = [this.#made(), this.#recording.video.end_tick];
    this.#next = video;
    const arrived = () => {
      this.#next = null;
      if (this.#closed) return discard(video);
      [this.#version, this.#endTick] = [version, endTick];
      this.#wanted = null;
      this.#show(video);
      this.#hurry();
      if (this.playing) this.play(this.#rate);
      else this.seek(this.#tick);
    };
    const start = () => {
      video.addEventListener("seeked", arrived, { once: true });
      video.currentTime = this.#secondsAt(this.#here);
    };
    video.addEventListener("loadedmetadata", start, { once: true });
    const failed = () => {
      this.#next = null;
      this.#arrived();
    };
    video.addEventListener("error", failed, { once: true });
  }

  get #here() {
    return this.playing && this.#wanted === null ? this.#video.currentTime * this.#recording.hz : this.#tick;
  }

  #show(video) {
    const before = this.#video;
    this.#video = video;
    video.addEventListener("loadedmetadata", () => {
      this.#handlers.trouble("");
      this.#arrived();
    });
    video.addEventListener("seeked", () => this.#arrived());
    video.addEventListener("error", () => this.#broke(video));
    video.addEventListener("ended", () => this.#ended(video));
    for (const late of ["waiting", "seeking"]) video.addEventListener(late, () => this.#mayBeLate());
    for (const there of ["seeked", "playing", "canplay"]) video.addEventListener(there, () => this.#hurry());
    this.#watch(video);
    if (before) {
      before.replaceWith(video);
      discard(before);
    } else {
      this.element.prepend(video);
    }
  }

  #arrived() {
    if (this.#wanted === null || (this.#next && this.#wanted >= this.#endTick)) return;
    const tick = this.#wanted;
    this.#wanted = null;
    if (this.#video.readyState >= HTMLMediaElement.HAVE_METADATA) this.#seekNow(tick);
  }

  #seekNow(tick) {
    const seconds = this.#secondsAt(tick);
    if (Math.abs(seconds - this.#video.currentTime) > 1e-6) this.#video.currentTime = seconds;
    else this.#tell(tick);
  }

  /** A time well within the frame of this tick: on its edge, browsers may show either neighbour. */
  #secondsAt(tick) {
    const { hz, interval } = this.#recording;
    const index = this.#recording.indexAt(tick);
    const from = this.#recording.tickOf(index);
    const stands = index + 1 < this.#recording.length ? this.#recording.tickOf(index + 1) - from : interval;
    return Math.max(tick, from + Math.min(stands, interval) / 2) / hz;
  }

  /** No browser plays backwards: seek, as fast as it can. */
  #playBackwards() {
    this.#video.pause();
    let before = performance.now();
    const pass = (now) => {
      if (!this.playing || this.#rate >= 0 || this.#closed) return;
      const tick = Math.max(0, this.#tick + (Math.max(0, now - before) / 1000) * this.#rate * this.#recording.hz);
      before = now;
      this.seek(tick);
      this.#handlers.moved(tick, this.#recording.indexAt(tick), true);
      if (tick > 0) requestAnimationFrame(pass);
      else this.#stop();
    };
    requestAnimationFrame(pass);
  }

  #stop() {
    this.playing = false;
    this.#handlers.ended();
  }

  /** Follow what is presented, frame by frame. */
  #watch(video) {
    const next = (_, frame) => {
      if (video !== this.#video || this.#closed) return;
      this.#presented(frame ? frame.mediaTime : video.currentTime);
      ask();
    };
    const ask = () => (video.requestVideoFrameCallback ? video.requestVideoFrameCallback(next) : requestAnimationFrame(() => next()));
    ask();
    const pass = () => {
      // Within a gap no frame is presented, and time passes all the same.
      if (video !== this.#video || this.#closed) return;
      if (this.playing && this.#rate > 0 && !video.seeking && !video.paused && this.#wanted === null) this.#tell(Math.max(this.#tick, video.currentTime * this.#recording.hz), true);
      requestAnimationFrame(pass);
    };
    requestAnimationFrame(pass);
  }

  #presented(seconds) {
    if (this.#wanted !== null || this.#video.seeking || (this.playing && this.#rate < 0)) return;
    const tick = Math.round(seconds * this.#recording.hz);
    const index = this.#recording.indexAt(tick + NEAR_TICKS);
    // Paused where a person went: that very place, unless the frame on screen is another one.
    if (!this.playing && this.#recording.indexAt(this.#tick) === index) this.#tell(this.#tick);
    else this.#tell(Math.max(tick, this.#recording.tickOf(index)));
  }

  #tell(tick, passing = false) {
    this.#tick = tick;
    this.#handlers.moved(tick, this.#recording.indexAt(tick), passing);
    if (this.playing && tick >= this.#endTick - LEAD_S * this.#recording.hz) this.#renew();
  }

  #ended(video) {
    if (video !== this.#video) return;
    if (this.#recording.recording || this.#next) {
      this.#renew(); // there may be more at any moment
      return;
    }
    this.#stop();
    this.seek(this.#recording.lastTick); // played fast, a browser may end on a frame before
    this.#tell(this.#recording.lastTick);
  }

  /** Say why: the pit wall or the session may be gone. Where a person goes next, the video is tried again. */
  async #broke(video) {
    if (video !== this.#video || this.#closed) return;
    this.#brokeMs = performance.now();
    this.#hurry();
    const { name, trouble } = this.#recording;
    const why = await session(name).then(() => trouble || UNPLAYABLE, ({ message }) => message);
    if (video === this.#video && !this.#closed) this.#handlers.trouble(why);
  }

  #mayBeLate() {
    clearTimeout(this.#slow);
    this.#slow = setTimeout(() => this.#handlers.wait("loading…"), SLOW_MS);
  }

  #hurry() {
    clearTimeout(this.#slow);
    this.#handlers.wait("");
  }
}

function discard(video) {
  video.pause();
  video.removeAttribute("src");
  video.load();
  video.remove();
}
