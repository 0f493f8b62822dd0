import type { FieldTest } from "@gatewright/adapter-tests";

/** Values of the fields of a chat request, for adapters that serve Gemini's models. */
export const geminiChat: Omit<FieldTest, "table"> = {
  samples: {
    top_k: 40,
    generationConfig: { mediaResolution: "MEDIA_RESOLUTION_LOW" },
    safetySettings: [{ category: "HARM_CATEGORY_HARASSMENT", threshold: "OFF" }],
    cachedContent: "cachedContents/1",
    extra_body: { google: { cached_content: "cachedContents/1" } },
    contents: [],
    systemInstruction: { parts: [] },
    toolConfig: {},
    min_p: 0.05,
  },
  byExchange: ["tool_choice"],
};
