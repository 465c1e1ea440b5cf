// The Vercel AI SDK 5, with experimental_telemetry as its documentation has it.
import { createOpenAI } from 'openai-5';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { generateText, stepCountIs, streamText, tool } from 'ai-5';
import { z } from 'zod';

const provider = new NodeTracerProvider({ spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())] });
provider.register();

const model = createOpenAI({ baseURL: process.env.OPENAI_BASE_URL }).chat('gpt-4o-mini');
const getWeather = tool({ inputSchema: z.object({ city: z.string() }), execute: async ({ city }) => `sunny in ${city}` });

const asked = (sessionId, prompt) => ({
  model,
  prompt: `${prompt} [[${sessionId}]]`,
  tools: { getWeather },
  stopWhen: stepCountIs(3),
  maxRetries: 0,
  experimental_telemetry: { isEnabled: true, functionId: 'weather', metadata: { sessionId, userId: 'ann' } },
});

await generateText(asked('ai-5', 'weather in Oslo?'));
await streamText(asked('ai-5', 'thanks')).consumeStream();
await generateText(asked('ai-5-odd', 'fail')).catch(() => {});
await provider.shutdown();
