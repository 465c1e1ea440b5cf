// The Vercel AI SDK 7, with its OpenTelemetry integration; the session is in the runtime's context.
import { createOpenAI } from '@ai-sdk/openai';
import { OpenTelemetry } from '@ai-sdk/otel';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { generateText, registerTelemetry, stepCountIs, streamText, tool } from 'ai';
import { z } from 'zod';

const provider = new NodeTracerProvider({ spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())] });
provider.register();
registerTelemetry(new OpenTelemetry({ runtimeContext: true }));

const model = createOpenAI({ baseURL: process.env.OPENAI_BASE_URL }).chat('gpt-4o-mini');
const getWeather = tool({ inputSchema: z.object({ city: z.string() }), execute: async ({ city }) => `sunny in ${city}` });

const asked = (sessionId, prompt) => ({
  model,
  prompt: `${prompt} [[${sessionId}]]`,
  tools: { getWeather },
  stopWhen: stepCountIs(3),
  maxRetries: 0,
  runtimeContext: { sessionId, userId: 'ann' },
  telemetry: { functionId: 'weather', includeRuntimeContext: { sessionId: true, userId: true } },
});

await generateText(asked('ai-7', 'weather in Oslo?'));
await streamText(asked('ai-7', 'thanks')).consumeStream();
await generateText(asked('ai-7-odd', 'fail')).catch(() => {});
await provider.shutdown();
