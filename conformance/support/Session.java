import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import org.apache.kafka.common.utils.Exit;

/**
 * Runs the main methods of Kafka's command-line tools one after the other in one JVM, as each would
 * run in one of its own, but without the seconds of its start.
 *
 * Standard input is a JSON array of steps; each gives a line of JSON on standard output:
 *
 *     { name, main, args, input?, until?, isBackground?, limitMs }  →  { name, code, ms, stdout, stderr }
 *     { name, wait: "name of a step in the background" }            →  the same, when that has ended
 *
 * A step with `until` is repeated until its output matches that pattern. Every thread belongs to the
 * step whose thread started it: its output and its exit code are that step's, and the shutdown hooks
 * it has added run when the step ends.
 */
public final class Session {
  private static final InheritableThreadLocal<Step> current = new InheritableThreadLocal<>();
  private static final ObjectMapper json = new ObjectMapper();
  private static final int timedOut = 124;

  /** What a tool meets in place of the end of its JVM. */
  private static final class Exited extends Error {
    Exited() {
      super("exited", null, false, false);
    }
  }

  private static final class Step {
    final String name;
    final Class<?> tool;
    final String[] args;
    final InputStream input;
    final long limitMs;
    final ByteArrayOutputStream stdout = new ByteArrayOutputStream();
    final ByteArrayOutputStream stderr = new ByteArrayOutputStream();
    final Deque<Runnable> hooks = new ArrayDeque<>();
    final ThreadGroup group = new ThreadGroup("step");
    final Thread thread = new Thread(group, this::run);
    final long startedMs = System.currentTimeMillis();
    Integer code;
    /** Its tool has exited but still runs, because what it met is only an error: that is not heard. */
    volatile boolean isMuted;

    Step(JsonNode node) throws ClassNotFoundException {
      name = node.get("name").asText();
      tool = Class.forName(node.get("main").asText());
      args = json.convertValue(node.get("args"), String[].class);
      input = new ByteArrayInputStream(bytes(node.path("input").asText()));
      limitMs = node.get("limitMs").asLong();
      thread.setDaemon(true);
    }

    private void run() {
      current.set(this);
      runTool();
      isMuted = false;
      while (!hooks.isEmpty()) hooks.removeLast().run();
      for (Thread hook : hooksOf(group)) {
        Runtime.getRuntime().removeShutdownHook(hook);
        hook.start();
        try {
          hook.join();
        } catch (InterruptedException e) {
          return;
        }
      }
    }

    private void runTool() {
      try {
        tool.getMethod("main", String[].class).invoke(null, (Object) args);
        exit(0);
      } catch (InvocationTargetException e) {
        if (e.getCause() instanceof Exited) return;
        e.getCause().printStackTrace();
        exit(1);
      } catch (ReflectiveOperationException e) {
        e.printStackTrace();
        exit(1);
      }
    }

    /** A tool that catches what ends it may exit once more: only the first time counts. */
    synchronized void exit(int status) {
      if (code == null) code = status;
      isMuted = true;
    }

    ObjectNode result() throws InterruptedException {
      thread.join(limitMs);
      if (thread.isAlive()) {
        exit(timedOut);
        thread.interrupt();
      }
      ObjectNode node = json.createObjectNode();
      node.put("name", name);
      node.put("code", code);
      node.put("ms", System.currentTimeMillis() - startedMs);
      node.put("stdout", stdout.toString(StandardCharsets.UTF_8));
      node.put("stderr", stderr.toString(StandardCharsets.UTF_8));
      return node;
    }
  }

  public static void main(String[] ignored) throws Exception {
    PrintStream results = System.out;
    JsonNode steps = json.readTree(System.in);
    takeOver(System.err);
    Map<String, Step> background = new HashMap<>();
    for (JsonNode node : steps) {
      ObjectNode result;
      if (node.has("wait")) {
        result = background.get(node.get("wait").asText()).result();
        result.put("name", node.get("name").asText());
      } else if (node.path("isBackground").asBoolean()) {
        Step step = new Step(node);
        background.put(step.name, step);
        step.thread.start();
        continue;
      } else {
        result = repeated(node);
      }
      results.println(json.writeValueAsString(result));
      results.flush();
    }
    // Threads that a tool left behind do not keep the JVM.
    Runtime.getRuntime().halt(0);
  }

  /** Hooks that were not added through Exit: only the JVM knows them, by the group of their thread. */
  private static List<Thread> hooksOf(ThreadGroup group) {
    try {
      Field field = Class.forName("java.lang.ApplicationShutdownHooks").getDeclaredField("hooks");
      field.setAccessible(true);
      List<Thread> own = new ArrayList<>();
      for (Object hook : ((Map<?, ?>) field.get(null)).keySet()) {
        if (((Thread) hook).getThreadGroup() == group) own.add((Thread) hook);
      }
      return own;
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException(e);
    }
  }

  private static ObjectNode repeated(JsonNode node) throws Exception {
    Pattern until = Pattern.compile(node.path("until").asText(), Pattern.DOTALL);
    long end = System.nanoTime() + node.get("limitMs").asLong() * 1_000_000;
    for (;;) {
      Step step = new Step(node);
      step.thread.start();
      ObjectNode result = step.result();
      boolean isOver = System.nanoTime() >= end;
      if (isOver || until.matcher(result.get("stdout").asText()).find()) return result;
      Thread.sleep(50);
    }
  }

  private static void takeOver(PrintStream ownErrors) {
    Exit.setExitProcedure(Session::exit);
    Exit.setHaltProcedure(Session::exit);
    Exit.setShutdownHookAdder((name, hook) -> {
      Step step = current.get();
      if (step != null) step.hooks.add(hook);
    });
    InputStream none = InputStream.nullInputStream();
    System.setIn(new InputStream() {
      private InputStream target() {
        Step step = current.get();
        return step == null ? none : step.input;
      }

      @Override
      public int read() throws java.io.IOException {
        return target().read();
      }

      @Override
      public int read(byte[] into, int offset, int length) throws java.io.IOException {
        return target().read(into, offset, length);
      }

      @Override
      public int available() throws java.io.IOException {
        return target().available();
      }
    });
    System.setOut(shared(ownErrors, false));
    System.setErr(shared(ownErrors, true));
  }

  /** A stream whose bytes go to the step of the thread that writes. */
  private static PrintStream shared(PrintStream ownErrors, boolean isError) {
    OutputStream stream = new OutputStream() {
      private OutputStream target() {
        Step step = current.get();
        if (step == null) return ownErrors;
        if (step.isMuted) return OutputStream.nullOutputStream();
        return isError ? step.stderr : step.stdout;
      }

      @Override
      public void write(int b) throws java.io.IOException {
        target().write(b);
      }

      @Override
      public void write(byte[] from, int offset, int length) throws java.io.IOException {
        target().write(from, offset, length);
      }
    };
    return new PrintStream(stream, true, StandardCharsets.UTF_8);
  }

  private static void exit(int status, String message) {
    Step step = current.get();
    if (step != null) step.exit(status);
    throw new Exited();
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }
}
